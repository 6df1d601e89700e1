//! Sound that belongs to pictures: coded packets on their way from a file into a recording.

/// The sound of a file. Its times are those of the file's frames: 0 is the first one.
#[derive(Default)]
pub struct Sound {
    /// What can be copied into a recording.
    pub tracks: Vec<SoundTrack>,
    /// What cannot, one line each: which track of which file, and why.
    pub left_out: Vec<String>,
}

/// One audio track.
pub struct SoundTrack {
    /// How it is coded.
    pub format: SoundFormat,
    /// Its packets.
    pub packets: Box<dyn SoundPackets>,
}

/// How a track is coded, as an MP4 file says it.
#[derive(Debug, Clone, PartialEq)]
pub struct SoundFormat {
    /// For messages: `clip.mkv: audio track 1 (Opus)`.
    pub label: String,
    /// The sample entry, a box with its header (ISO/IEC 14496-12, 12.2.3).
    pub sample_entry: Vec<u8>,
    /// Ticks per second.
    pub timescale: u32,
    /// ISO 639-2, three letters; `und` where unknown.
    pub language: String,
    /// Ticks that are heard: from, up to. What lies before only sets the decoder up.
    pub heard: (i64, i64),
}

/// A coded packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundPacket {
    /// When it is heard, ticks; increasing within a track.
    pub tick: i64,
    /// How long, ticks.
    pub duration: u32,
    /// The coded bytes.
    pub data: Vec<u8>,
}

/// The packets of a track in order, read one by one.
pub trait SoundPackets: Send {
    /// Passes over packets that end at or before `tick`.
    fn skip_to(&mut self, tick: i64);

    /// The next packet, `None` at the end. An error says what is wrong with the file here; the
    /// next call goes on behind it, and every file ends with `None` at last.
    ///
    /// # Errors
    /// A reason without the file's name.
    fn next_packet(&mut self) -> Result<Option<SoundPacket>, String>;
}

/// Where the sound of a recording ends.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum SoundEnd {
    /// With the last picture: the recording was ended before its source.
    #[default]
    WithVideo,
    /// At this time of the source, seconds, also behind the last picture.
    At(f64),
}
