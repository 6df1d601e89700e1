//! Common interface of the containers: a video stream consists of descriptions and packets.

use std::io::{Read, Seek, SeekFrom};

use super::aspect::PixelAspect;
use super::colour::ColourHint;
use super::orientation::Orientation;

/// A file, or a clip in memory.
pub(in crate::source) trait Input: Read + Seek + Send {}

impl<T: Read + Seek + Send> Input for T {}

/// An H.264 stream inside a container, ready to be read.
pub(super) struct Stream {
    /// Decoder configurations of the packets; at least one.
    pub(super) descriptions: Vec<Description>,
    /// Orientation of the frames.
    pub(super) orientation: Orientation,
    /// Seconds per unit of [`Packet::pts`].
    pub(super) tick_secs: f64,
    /// Ticks from one frame to the next by the container, if packets may be missing unnoticed.
    pub(super) step_ticks: Option<f64>,
    /// Nominal frames per second.
    pub(super) rate: Option<f64>,
    /// Number of displayed frames, if the container counts them.
    pub(super) n_frames: Option<u64>,
    /// The packets in coded order.
    pub(super) packets: Box<dyn Packets>,
}

/// Decoder configuration of packets, and display parameters of the container.
#[derive(Debug, Clone)]
pub(super) struct Description {
    /// `AVCDecoderConfigurationRecord`: parameter sets and the size of length fields.
    pub(super) configuration: Vec<u8>,
    pub(super) colour: ColourHint,
    pub(super) aspect: Option<PixelAspect>,
}

impl Description {
    /// Returns the number of bytes of the length before each NAL unit.
    pub(super) fn length_bytes(&self) -> usize {
        self.configuration
            .get(4)
            .map_or(4, |b| usize::from(b & 3) + 1)
    }
}

/// One coded frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packet {
    /// Presentation time in ticks.
    pub(super) pts: i64,
    /// Whether it is displayed: frames trimmed by an editor are only needed to decode the rest.
    pub(super) is_shown: bool,
    /// Index into [`Stream::descriptions`].
    pub(super) description: u16,
}

/// Position of a packet, in its container's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of a sample, or a position in the file.
    pub(super) position: u64,
    /// Time that the times around there are relative to, in ticks.
    pub(super) base_time: i64,
}

/// Coded frames in coded order.
pub(super) trait Packets: Send {
    /// Reads the next packet's first bytes, at most `max`, into `data`. An error describes damage
    /// of the file at this position: packets may be missing. The next call continues after it, and
    /// every file eventually ends with `None`.
    fn next_head(&mut self, max: u64, data: &mut Vec<u8>) -> Result<Option<Packet>, String>;

    /// Returns the position of the reader: before the next packet.
    fn place(&self) -> Place;

    /// Seeks to an earlier position of the reader.
    fn go_to(&mut self, place: Place) -> Result<(), String>;

    /// Reads the next packet's bytes into `data`, like [`Packets::next_head`].
    fn next_packet(&mut self, data: &mut Vec<u8>) -> Result<Option<Packet>, String> {
        self.next_head(u64::MAX, data)
    }
}

/// Returns whether the first slice among a packet's NAL units (H.264 table 7-1) belongs to a key
/// frame, at which decoding can start and after which no frame refers to earlier ones; `None` if
/// there is no slice in these bytes.
pub(super) fn first_slice(mut bytes: &[u8], length_bytes: usize) -> Option<bool> {
    const SLICE: u8 = 1;
    const SLICE_OF_KEY_PICTURE: u8 = 5;
    loop {
        let (length, rest) = bytes.split_at_checked(length_bytes)?;
        let length = length.iter().fold(0, |n, &b| n << 8 | usize::from(b));
        match rest.first()? & 31 {
            SLICE_OF_KEY_PICTURE if length > 0 => return Some(true),
            SLICE if length > 0 => return Some(false),
            _ => bytes = rest.get(length..)?,
        }
    }
}

/// Error message if the rest of a file is missing.
pub(in crate::source) const CUT_OFF: &str = "the file is cut off";

/// Error message if the index of a file lists only frames that lie outside of it.
pub(in crate::source) const OUTSIDE: &str =
    "its index lists frames outside of the file, which is damaged or cut off";

/// Maximum packet length: a coded frame at level 5.2 is far smaller; larger ones are damage.
pub(in crate::source) const MAX_PACKET_BYTES: u64 = 64 << 20;

/// Fills `data` with `n` bytes from `position`.
pub(in crate::source) fn read_at(
    input: &mut dyn Input,
    position: u64,
    n: u64,
    data: &mut Vec<u8>,
) -> Result<(), String> {
    if n > MAX_PACKET_BYTES {
        return Err(format!("a part of it claims to be {n} bytes long"));
    }
    data.resize(n as usize, 0);
    input
        .seek(SeekFrom::Start(position))
        .and_then(|_| input.read_exact(data))
        .map_err(|e| read_error(&e))
}

/// Returns the message for an input error.
pub(in crate::source) fn read_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => CUT_OFF.to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

/// Returns the length of the input.
pub(in crate::source) fn length(input: &mut dyn Input) -> Result<u64, String> {
    input.seek(SeekFrom::End(0)).map_err(|e| read_error(&e))
}

/// Returns a codec's display name from a container's code for it.
pub(super) fn codec_name(code: &str) -> String {
    match code {
        "hvc1" | "hev1" | "V_MPEGH/ISO/HEVC" => "H.265 (HEVC)",
        "vp08" | "V_VP8" => "VP8",
        "vp09" | "V_VP9" => "VP9",
        "av01" | "V_AV1" => "AV1",
        "mp4v" | "V_MPEG4/ISO/ASP" => "MPEG-4 part 2",
        "jpeg" | "mjpa" | "mjpb" | "V_MJPEG" => "Motion JPEG",
        "apch" | "apcn" | "apcs" | "apco" | "ap4h" | "V_PRORES" => "ProRes",
        "encv" => "encrypted",
        other => other,
    }
    .to_owned()
        + " video"
}
