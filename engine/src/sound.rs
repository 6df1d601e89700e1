//! Sound of videos: encoded packets copied from a file into a recording.

/// The sound of a file. Times are relative to the file's first video frame.
#[derive(Default)]
pub struct Sound {
    /// Tracks that can be copied into a recording.
    pub tracks: Vec<SoundTrack>,
    /// Tracks that cannot be copied, one line each with track, file and reason.
    pub left_out: Vec<String>,
}

/// One audio track.
pub struct SoundTrack {
    /// Encoding of the track.
    pub format: SoundFormat,
    /// Reader of the packets.
    pub packets: Box<dyn SoundPackets>,
}

/// Encoding of a track, as described in an MP4 file.
#[derive(Debug, Clone, PartialEq)]
pub struct SoundFormat {
    /// Label for messages: `clip.mkv: audio track 1 (Opus)`.
    pub label: String,
    /// The sample entry, a box with its header (ISO/IEC 14496-12, 12.2.3).
    pub sample_entry: Vec<u8>,
    /// Ticks per second.
    pub timescale: u32,
    /// Language code in ISO 639-2, three letters; `und` if unknown.
    pub language: String,
    /// Audible range in ticks: from, up to. Earlier packets only initialise the decoder.
    pub heard: (i64, i64),
}

/// An encoded packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundPacket {
    /// Presentation time in ticks; increasing within a track.
    pub tick: i64,
    /// Duration in ticks.
    pub duration: u32,
    /// The encoded bytes.
    pub data: Vec<u8>,
}

/// Reads the packets of a track in order.
pub trait SoundPackets: Send {
    /// Skips packets that end at or before `tick`.
    fn skip_to(&mut self, tick: i64);

    /// Returns the next packet, `None` at the end. An error describes damage of the file; the next
    /// call continues after it, and every file eventually ends with `None`.
    ///
    /// # Errors
    /// A reason without the file's name.
    fn next_packet(&mut self) -> Result<Option<SoundPacket>, String>;
}

/// End of the sound in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum SoundEnd {
    /// With the last frame: the recording ended before its source.
    #[default]
    WithVideo,
    /// At this source time in seconds, which may be after the last frame.
    At(f64),
}
