//! What the system says of an interface, and of the addresses that are its own.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::ptr;

use socket2::SockAddr;

/// Sorts of interfaces whose frames have Ethernet's header (`ARPHRD_ETHER`, `ARPHRD_LOOPBACK`).
const ETHERNET: &str = "1";
const LOOPBACK: &str = "772";

/// An interface.
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) mtu: usize,
    /// The hardware address.
    pub(super) address: [u8; 6],
    pub(super) is_loopback: bool,
    /// How many queues frames are received on.
    pub(super) queues: u32,
}

impl Interface {
    pub(super) fn find(name: &str) -> io::Result<Self> {
        let text = CString::new(name)?;
        // SAFETY: a text that ends with a zero and outlives the call.
        let index = unsafe { libc::if_nametoindex(text.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        let folder = format!("/sys/class/net/{name}");
        let read = |file| {
            fs::read_to_string(format!("{folder}/{file}")).map(|text| text.trim().to_owned())
        };
        let kind = read("type")?;
        if !(kind == ETHERNET || kind == LOOPBACK) {
            return Err(io::Error::other("its frames are none of Ethernet's"));
        }
        let queues = fs::read_dir(format!("{folder}/queues"))?
            .filter_map(Result::ok)
            .filter(|queue| queue.file_name().as_encoded_bytes().starts_with(b"rx-"))
            .count();
        let address = read("address")?;
        Ok(Self {
            index,
            mtu: read("mtu")?.parse().map_err(io::Error::other)?,
            address: hardware(&address).ok_or_else(|| io::Error::other(address))?,
            is_loopback: kind == LOOPBACK,
            queues: queues as u32,
        })
    }
}

/// An address as `02:00:00:00:00:01` writes it.
fn hardware(text: &str) -> Option<[u8; 6]> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    octets.collect::<Result<Vec<_>, _>>().ok()?.try_into().ok()
}

/// The addresses of all interfaces of this system.
pub(super) fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut first = ptr::null_mut();
    // SAFETY: on success it sets `first`, to what is freed below.
    if unsafe { libc::getifaddrs(&raw mut first) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: a list that ends with a null pointer, and lives until it is freed.
    while let Some(one) = unsafe { next.as_ref() } {
        next = one.ifa_next;
        if one.ifa_addr.is_null() {
            continue;
        }
        // SAFETY: an address that is there begins with its family.
        let length = match i32::from(unsafe { (*one.ifa_addr).sa_family }) {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
            _ => continue,
        };
        // SAFETY: an address of this family has so many octets, and the storage has room for any.
        let ((), address) = unsafe {
            SockAddr::try_init(|storage, size| {
                ptr::copy_nonoverlapping(one.ifa_addr.cast::<u8>(), storage.cast(), length);
                *size = length as libc::socklen_t;
                Ok(())
            })?
        };
        found.extend(address.as_socket().map(|address| address.ip()));
    }
    // SAFETY: what getifaddrs made, which nothing borrows from any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}
