//! Codecs of Matroska audio tracks: sample entries and packet durations.

use super::entry::{NO_FORM, Shape, UNCOMPRESSED, boxed, mp4a, object_type, sample_entry};

/// Description of an audio track in Matroska.
pub(super) struct Description<'a> {
    /// Codec id, e.g. `A_AAC`.
    pub(super) codec: &'a str,
    /// The codec's private data.
    pub(super) private: &'a [u8],
    pub(super) shape: Shape,
}

/// MP4 description of a track.
pub(super) struct Coding {
    pub(super) sample_entry: Vec<u8>,
    /// Ticks per second; usually the sample rate.
    pub(super) timescale: u32,
    pub(super) length: Length,
}

/// Duration of packets in ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Length {
    /// All packets have the same duration.
    Fixed(u32),
    /// Each packet states its duration.
    Opus,
    Flac,
    Eac3,
    /// All but the last packet have this duration.
    Alac(u32),
}

impl Length {
    /// Returns the duration of a packet; `None` if it cannot be determined.
    pub(super) fn of(self, packet: &[u8]) -> Option<u32> {
        match self {
            Self::Fixed(ticks) => Some(ticks),
            Self::Opus => opus_ticks(packet),
            Self::Flac => flac_ticks(packet),
            Self::Alac(usual) => Some(alac_ticks(packet).unwrap_or(usual)),
            Self::Eac3 => Some(Eac3::frames(packet)?.iter().map(|f| f.samples).sum()),
        }
    }
}

/// Returns the display name of a codec.
pub(super) fn name(codec: &str) -> String {
    match codec {
        "A_MPEG/L3" => "MP3",
        "A_MPEG/L2" | "A_MPEG/L1" => "MPEG audio",
        "A_AC3" => "AC-3",
        "A_EAC3" => "E-AC-3",
        "A_VORBIS" => "Vorbis",
        "A_OPUS" => "Opus",
        "A_TRUEHD" => "TrueHD",
        "A_MS/ACM" => "a codec of Windows",
        _ if codec.starts_with("A_AAC") => "AAC",
        _ if codec.starts_with("A_DTS") => "DTS",
        _ if codec.starts_with("A_PCM") => "PCM",
        other => other.trim_start_matches("A_"),
    }
    .to_owned()
}

/// Returns the MP4 description of a track; `first` is its first packet. The error explains why
/// there is none.
pub(super) fn coding(track: &Description<'_>, first: &[u8]) -> Result<Coding, String> {
    let Description {
        codec,
        private,
        shape,
    } = *track;
    let lacking = || "its parameters are missing or damaged".to_owned();
    let coding = match codec {
        "A_AAC" => aac(private, shape),
        "A_MPEG/L2" | "A_MPEG/L3" => Some(mpeg(shape, codec == "A_MPEG/L3")),
        "A_OPUS" => opus(private),
        "A_FLAC" => flac(private),
        "A_ALAC" => alac(private),
        "A_AC3" => ac3(first),
        "A_EAC3" => eac3(first)?,
        _ if codec.starts_with("A_PCM") => return Err(UNCOMPRESSED.to_owned()),
        _ => return Err(NO_FORM.to_owned()),
    };
    coding.filter(|c| c.timescale > 0).ok_or_else(lacking)
}

/// MPEG-1, or MPEG-2 with lower sample rates, whose layer 3 has half as many samples per frame.
fn mpeg(shape: Shape, is_layer_3: bool) -> Coding {
    let is_mpeg1 = shape.rate >= 32_000;
    let object_type = if is_mpeg1 {
        object_type::MPEG1_AUDIO
    } else {
        object_type::MPEG2_AUDIO
    };
    Coding {
        sample_entry: mp4a(object_type, shape, &[]),
        timescale: shape.rate,
        length: Length::Fixed(if is_layer_3 && !is_mpeg1 { 576 } else { 1152 }),
    }
}

/// Parses an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1).
fn aac(config: &[u8], shape: Shape) -> Option<Coding> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    let mut bits = Bits(config, 0);
    let object = |bits: &mut Bits<'_>| match bits.take(5)? {
        31 => Some(32 + bits.take(6)?),
        short => Some(short),
    };
    let rate = |bits: &mut Bits<'_>| match bits.take(4)? {
        15 => bits.take(24),
        i => RATES.get(i as usize).copied(),
    };
    let kind = object(&mut bits)?;
    let core_rate = rate(&mut bits)?;
    bits.take(4)?;
    // Spectral band replication doubles the rate; packet durations use that of the core.
    if matches!(kind, 5 | 29) {
        rate(&mut bits)?;
        object(&mut bits)?;
    }
    let is_short = bits.take(1)? == 1;
    Some(Coding {
        sample_entry: mp4a(object_type::AAC, shape, config),
        timescale: core_rate,
        length: Length::Fixed(if is_short { 960 } else { 1024 }),
    })
}

/// Parses an `OpusHead` (RFC 7845, 5.1), whose numbers are little-endian.
fn opus(head: &[u8]) -> Option<Coding> {
    const RATE: u32 = 48_000;
    let body = head.strip_prefix(b"OpusHead")?;
    let [_, channels, s0, s1, r0, r1, r2, r3, g0, g1, ..] = *body.first_chunk::<11>()?;
    let mut parameters = vec![0, channels, s1, s0, r3, r2, r1, r0, g1, g0];
    // The channel mapping, one byte unless there are more than two channels.
    parameters.extend(&body[10..]);
    let shape = Shape {
        channels: channels.into(),
        bits: 16,
        rate: RATE,
    };
    Some(Coding {
        sample_entry: sample_entry(*b"Opus", shape, &boxed(*b"dOps", &parameters)),
        timescale: RATE,
        length: Length::Opus,
    })
}

/// Returns the duration by RFC 6716, 3.1: the first byte encodes the length and number of frames.
fn opus_ticks(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        config @ 0..12 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..16 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let n_frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 63),
    };
    Some(frame * n_frames)
}

/// Parses the marker and the first metadata block of a FLAC file (RFC 9639, 8).
fn flac(private: &[u8]) -> Option<Coding> {
    const LAST_STREAM_INFO: [u8; 4] = [0x80, 0, 0, 34];
    let info: &[u8; 34] = private.strip_prefix(b"fLaC")?.get(4..)?.first_chunk()?;
    let mut bits = Bits(&info[10..], 0);
    let (rate, channels, depth) = (bits.take(20)?, bits.take(3)? + 1, bits.take(5)? + 1);
    let parameters = [&[0; 4], &LAST_STREAM_INFO[..], info].concat();
    let shape = Shape {
        channels: channels as u16,
        bits: depth as u16,
        rate,
    };
    Some(Coding {
        sample_entry: sample_entry(*b"fLaC", shape, &boxed(*b"dfLa", &parameters)),
        timescale: rate,
        length: Length::Flac,
    })
}

/// Returns the block size by RFC 9639, 9.1, which may follow the coded number.
fn flac_ticks(packet: &[u8]) -> Option<u32> {
    let after_number = || {
        let ones = packet.get(4)?.leading_ones().max(1) as usize;
        packet.get(4 + ones..)
    };
    match packet.get(2)? >> 4 {
        0 => None,
        1 => Some(192),
        code @ 2..6 => Some(576 << (code - 2)),
        6 => Some(u32::from(*after_number()?.first()?) + 1),
        7 => Some(u32::from(u16::from_be_bytes(*after_number()?.first_chunk()?)) + 1),
        code => Some(256 << (code - 8)),
    }
}

/// Parses an `ALACSpecificConfig`.
fn alac(private: &[u8]) -> Option<Coding> {
    // With or without the header of the QuickTime box that contains it.
    let config: &[u8; 24] = private.last_chunk()?;
    let length = u32::from_be_bytes(*config.first_chunk()?);
    let rate = u32::from_be_bytes(*config.last_chunk()?);
    let shape = Shape {
        channels: config[9].into(),
        bits: config[5].into(),
        rate,
    };
    let parameters = [&[0; 4], &config[..]].concat();
    Some(Coding {
        sample_entry: sample_entry(*b"alac", shape, &boxed(*b"alac", &parameters)),
        timescale: rate,
        length: Length::Alac(length),
    })
}

/// Returns the duration in a frame's header if it differs from the usual one.
fn alac_ticks(packet: &[u8]) -> Option<u32> {
    let mut bits = Bits(packet, 19);
    let has_length = bits.take(1)? == 1;
    bits.take(3)?;
    bits.take(32).filter(|_| has_length)
}

/// Channels of each AC-3 channel mode, without the low-frequency channel.
const AC3_CHANNELS: [u16; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
const AC3_RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// Parses a frame header (ETSI TS 102 366, 4.4.1 and annex F).
fn ac3(frame: &[u8]) -> Option<Coding> {
    let mut bits = Bits(frame.strip_prefix(&[0x0B, 0x77])?, 0);
    bits.take(16)?;
    let (rate_code, size_code) = (bits.take(2)?, bits.take(6)?);
    let (version, service, mode) = (bits.take(5)?, bits.take(3)?, bits.take(3)?);
    let n_levels =
        u32::from(mode & 1 == 1 && mode != 1) + u32::from(mode & 4 != 0) + u32::from(mode == 2);
    bits.take(2 * n_levels)?;
    let low = bits.take(1)?;
    let parameters = rate_code << 22
        | version << 17
        | service << 14
        | mode << 11
        | low << 10
        | (size_code >> 1) << 5;
    let rate = *AC3_RATES.get(rate_code as usize)?;
    let shape = Shape {
        channels: AC3_CHANNELS[mode as usize] + low as u16,
        bits: 16,
        rate,
    };
    let parameters = boxed(*b"dac3", &parameters.to_be_bytes()[1..]);
    Some(Coding {
        sample_entry: sample_entry(*b"ac-3", shape, &parameters),
        timescale: rate,
        length: Length::Fixed(1536),
    })
}

/// A frame header of E-AC-3 (ETSI TS 102 366, annex E).
struct Eac3 {
    is_main: bool,
    bytes: usize,
    rate_code: u32,
    samples: u32,
    mode: u32,
    low: u32,
    version: u32,
}

impl Eac3 {
    fn parse(frame: &[u8]) -> Option<Self> {
        let mut bits = Bits(frame.strip_prefix(&[0x0B, 0x77])?, 0);
        let is_main = bits.take(2)? == 0 && bits.take(3)? == 0;
        let mut bits = Bits(&frame[2..], 5);
        let bytes = 2 * (bits.take(11)? as usize + 1);
        let (rate_code, blocks) = (bits.take(2)?, bits.take(2)?);
        Some(Self {
            is_main,
            bytes,
            rate_code,
            // A rate code of 3 means a halved rate and always six blocks.
            samples: 256
                * if rate_code == 3 {
                    6
                } else {
                    [1, 2, 3, 6][blocks as usize]
                },
            mode: bits.take(3)?,
            low: bits.take(1)?,
            version: bits.take(5)?,
        })
    }

    /// Parses the frames of a packet.
    fn frames(mut packet: &[u8]) -> Option<Vec<Self>> {
        let mut frames = Vec::new();
        while !packet.is_empty() {
            let frame = Self::parse(packet)?;
            packet = packet.get(frame.bytes..)?;
            frames.push(frame);
        }
        Some(frames)
    }
}

/// Parses the first packet; the error is for tracks with more channels than one frame can hold.
fn eac3(packet: &[u8]) -> Result<Option<Coding>, String> {
    let Some(frames) = Eac3::frames(packet) else {
        return Ok(None);
    };
    if frames.iter().any(|f| !f.is_main) {
        return Err("its channels are spread over several streams".to_owned());
    }
    let rate = |f: &Eac3| AC3_RATES.get(f.rate_code as usize).copied();
    let Some((first, rate)) = frames.first().and_then(|f| Some((f, rate(f)?))) else {
        return Ok(None);
    };
    let kilobits = first.bytes as u64 * 8 * u64::from(rate) / u64::from(first.samples) / 1000;
    let parameters = u64::from(kilobits as u16 & 0x1FFF) << 27
        | u64::from(first.rate_code) << 22
        | u64::from(first.version) << 17
        | u64::from(first.mode) << 9
        | u64::from(first.low) << 8;
    let shape = Shape {
        channels: AC3_CHANNELS[first.mode as usize] + first.low as u16,
        bits: 16,
        rate,
    };
    let parameters = boxed(*b"dec3", &parameters.to_be_bytes()[3..]);
    Ok(Some(Coding {
        sample_entry: sample_entry(*b"ec-3", shape, &parameters),
        timescale: rate,
        length: Length::Eac3,
    }))
}

/// Reads bits, most significant first: the bytes and the number of bits read.
struct Bits<'a>(&'a [u8], u32);

impl Bits<'_> {
    /// Returns the next `n` bits, at most 32, as a number.
    fn take(&mut self, n: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..n {
            let byte = *self.0.get(self.1 as usize / 8)?;
            number = number << 1 | u32::from(byte >> (7 - self.1 % 8) & 1);
            self.1 += 1;
        }
        Some(number)
    }
}
