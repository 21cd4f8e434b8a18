//! Where the query log goes: a socket on which a reader waits, or a file.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socket2::{Domain, SockAddr, Socket, Type};

use super::frames::{Control, control, expect, shake_hands};

/// How long a reader may take to be connected to and to shake hands, and to say farewell.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// How long one write may wait, so that the thread sees soon that it is to end.
pub(super) const WRITE: Duration = Duration::from_millis(100);

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Unix socket on which a reader listens.
    Unix(PathBuf),
    /// A TCP address on which a reader listens.
    Tcp(SocketAddr),
    /// A file.
    File(PathBuf),
}

/// A target that is open and has been told that frames follow.
pub(super) enum Output {
    Socket(Socket),
    File(File, PathBuf),
}

impl Output {
    /// Open `target`.
    pub(super) fn open(target: &Target) -> Result<Self> {
        match target {
            Target::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                // which bounds connecting too, where others wait to be accepted
                socket.set_write_timeout(Some(HANDSHAKE))?;
                socket.connect(&SockAddr::unix(path)?)?;
                greet(socket)
            }
            Target::Tcp(address) => greet(TcpStream::connect_timeout(address, HANDSHAKE)?.into()),
            Target::File(path) => {
                set_aside(path)?;
                let mut file = File::options().write(true).create_new(true).open(path)?;
                file.write_all(&control(Control::Start))?;
                Ok(Self::File(file, path.clone()))
            }
        }
    }

    /// Write as much of `octets` as goes within `WRITE`.
    pub(super) fn write(&mut self, octets: &[u8]) -> Result<usize> {
        let written = match self {
            Self::Socket(socket) => socket.send(octets),
            Self::File(file, _) => file.write(octets),
        };
        match written {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Err(error) if is_late(&error) => Ok(0),
            written => written,
        }
    }

    /// Whether the file was moved away, so that another one is to be begun.
    pub(super) fn has_moved(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::File(file, path) => !is_at(file, path),
        }
    }

    /// Whether the reader has gone, although nothing was written to it.
    pub(super) fn is_gone(&self) -> bool {
        let Self::Socket(socket) = self else {
            return false;
        };
        let mut octet = [0];
        let peeked = socket.set_nonblocking(true).and_then(|()| {
            let peeked = (&mut { socket }).read(&mut octet);
            socket.set_nonblocking(false)?;
            peeked
        });
        // a reader has nothing to say before we stop
        !matches!(peeked, Err(error) if is_late(&error))
    }

    /// Say that this is the end.
    pub(super) fn close(mut self) {
        let stop = control(Control::Stop);
        match &mut self {
            Self::Socket(socket) => {
                let _ = socket.set_write_timeout(Some(HANDSHAKE));
                if socket.write_all(&stop).is_ok() {
                    let _ = expect(socket, Control::Finish);
                }
                let _ = socket.shutdown(Shutdown::Both);
            }
            Self::File(file, _) => {
                let _ = file.write_all(&stop);
            }
        }
    }
}

fn greet(mut socket: Socket) -> Result<Output> {
    socket.set_write_timeout(Some(HANDSHAKE))?;
    socket.set_read_timeout(Some(HANDSHAKE))?;
    shake_hands(&mut socket)?;
    socket.set_write_timeout(Some(WRITE))?;
    Ok(Output::Socket(socket))
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Whether `file` is what stands at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => place(ours) == place(there),
        _ => false,
    }
}

/// Move a file that is there already to its name and the time: what follows the end of a stream of
/// frames is not read, so it cannot be appended to.
fn set_aside(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Ok(found) if !found.is_file() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "is no plain file"));
        }
        Ok(found) if found.len() == 0 => return fs::remove_file(path),
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let names = std::iter::once(String::new()).chain((1..).map(|more| format!("-{more}")));
    for name in names {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".{}{name}", now.as_secs()));
        if !Path::new(&aside).exists() {
            return fs::rename(path, aside);
        }
    }
    Ok(())
}
