//! What the containers have in common: a video stream is its description and its packets.

use std::io::{Read, Seek, SeekFrom};

use super::colour::ColourHint;
use super::orientation::Orientation;

/// A file, or a clip in memory.
pub(super) trait Input: Read + Seek + Send {}

impl<T: Read + Seek + Send> Input for T {}

/// An H.264 stream inside a container, ready to be read.
pub(super) struct Stream {
    /// `AVCDecoderConfigurationRecord`: parameter sets and the size of length fields.
    pub(super) configuration: Vec<u8>,
    /// How the pictures are to be shown.
    pub(super) orientation: Orientation,
    /// What the container says of colours.
    pub(super) colour: ColourHint,
    /// Seconds per unit of [`Packet::pts`].
    pub(super) tick_secs: f64,
    /// Nominal frames per second.
    pub(super) rate: Option<f64>,
    /// Frames that will be shown, where the container counts them.
    pub(super) n_frames: Option<u64>,
    /// The pictures in coded order.
    pub(super) packets: Box<dyn Packets>,
}

/// One coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packet {
    /// When it is shown, in ticks.
    pub(super) pts: i64,
    /// Whether it is shown at all: what an editor cut off is needed only to decode the rest.
    pub(super) is_shown: bool,
}

/// Where a packet lies, in its container's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of a sample, or a position in the file.
    pub(super) position: u64,
    /// Time that the times around there are relative to, ticks.
    pub(super) base_time: i64,
}

/// Coded pictures in coded order.
pub(super) trait Packets: Send {
    /// Reads the next packet's first bytes, at most `max`, into `data`. An error says what is
    /// wrong with the file from here on; there is nothing to be read after it.
    fn next_head(&mut self, max: u64, data: &mut Vec<u8>) -> Result<Option<Packet>, String>;

    /// Where the reader stands: in front of the next packet.
    fn place(&self) -> Place;

    /// Goes back or forth to a place where it has stood before.
    fn go_to(&mut self, place: Place) -> Result<(), String>;

    /// Reads the next packet's bytes into `data`, as [`Packets::next_head`].
    fn next_packet(&mut self, data: &mut Vec<u8>) -> Result<Option<Packet>, String> {
        self.next_head(u64::MAX, data)
    }
}

/// Said where the rest of a file is missing.
pub(super) const CUT_OFF: &str = "the file is cut off";

/// A coded picture at level 5.2 is far smaller; larger ones are damage and not worth the memory.
pub(super) const MAX_PACKET_BYTES: u64 = 64 << 20;

/// Fills `data` with `n` bytes from `position`.
pub(super) fn read_at(
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

/// An input error in words.
pub(super) fn read_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => CUT_OFF.to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

/// The length of the input.
pub(super) fn length(input: &mut dyn Input) -> Result<u64, String> {
    input.seek(SeekFrom::End(0)).map_err(|e| read_error(&e))
}

/// A codec's name in words from a container's code for it.
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
