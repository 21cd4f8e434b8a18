//! Frame Streams: how messages follow each other in a file or a stream, and how both ends of a socket
//! agree on what they are. <https://farsightsec.github.io/fstrm/>

use std::io::{Error, ErrorKind, Read, Result, Write};

/// What the frames hold.
pub(super) const CONTENT: &[u8] = b"protobuf:dnstap.Dnstap";

/// Kinds of control frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Control {
    Accept = 1,
    Start = 2,
    Stop = 3,
    Ready = 4,
    Finish = 5,
}

/// The one field of control frames.
const CONTENT_TYPE: u32 = 1;

/// The longest control frame that is read.
const MAX_CONTROL: usize = 512;

/// A control frame, with what the content is where that belongs.
pub(super) fn control(kind: Control) -> Vec<u8> {
    let mut body = (kind as u32).to_be_bytes().to_vec();
    if matches!(kind, Control::Ready | Control::Start) {
        body.extend(CONTENT_TYPE.to_be_bytes());
        body.extend((CONTENT.len() as u32).to_be_bytes());
        body.extend(CONTENT);
    }
    let mut frame = vec![0; 4]; // no frame of data is empty
    frame.extend((body.len() as u32).to_be_bytes());
    frame.extend(body);
    frame
}

/// Append a frame of data.
pub(super) fn append(frames: &mut Vec<u8>, data: &[u8]) {
    frames.extend((data.len() as u32).to_be_bytes());
    frames.extend(data);
}

/// Begin with a reader: it has to accept our content.
pub(super) fn shake_hands(stream: &mut (impl Read + Write)) -> Result<()> {
    stream.write_all(&control(Control::Ready))?;
    let accepted = expect(stream, Control::Accept)?;
    // who names no content takes any
    let fits = accepted.is_empty() || accepted.windows(CONTENT.len()).any(|part| part == CONTENT);
    if !fits {
        return Err(Error::new(
            ErrorKind::InvalidData,
            "the reader does not take dnstap",
        ));
    }
    stream.write_all(&control(Control::Start))
}

/// Read a control frame of this kind. Returns its fields.
pub(super) fn expect(stream: &mut impl Read, kind: Control) -> Result<Vec<u8>> {
    let strange = || {
        Error::new(
            ErrorKind::InvalidData,
            "the reader does not speak Frame Streams",
        )
    };
    let mut word = || -> Result<u32> {
        let mut octets = [0; 4];
        stream.read_exact(&mut octets)?;
        Ok(u32::from_be_bytes(octets))
    };
    let (escape, length, found) = (word()?, word()? as usize, word()?);
    if escape != 0 || !(4..=MAX_CONTROL).contains(&length) || found != kind as u32 {
        return Err(strange());
    }
    let mut fields = vec![0; length - 4];
    stream.read_exact(&mut fields)?;
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn control_frames_are_read_as_written() {
        let mut ready = Cursor::new(control(Control::Ready));
        let fields = expect(&mut ready, Control::Ready).unwrap();
        assert_eq!(&fields[8..], CONTENT);
        let finish = control(Control::Finish);
        assert_eq!(finish, b"\0\0\0\0\0\0\0\x04\0\0\0\x05");
        assert_eq!(expect(&mut &finish[..], Control::Finish).unwrap(), b"");
    }

    #[test]
    fn what_is_no_control_frame_is_refused() {
        for octets in [
            &b"\0\0\0\x01\0\0\0\x04\0\0\0\x01"[..], // data
            b"\0\0\0\0\0\0\0\x04\0\0\0\x02",        // another kind
            b"\0\0\0\0\xFF\xFF\xFF\xFF\0\0\0\x01",  // too long
            b"\0\0\0\0\0\0\0\0\0\0\0\x01",
            b"HTTP/1.1 400 Bad Request",
        ] {
            let error = expect(&mut { octets }, Control::Accept).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{octets:?}");
        }
    }
}
