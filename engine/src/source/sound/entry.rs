//! Sample entries: the description of an audio codec in MP4 files (ISO/IEC 14496-12, 12.2.3).

use crate::source::video::mp4_boxes::{boxes, find};

/// Bytes of an audio sample entry before its boxes.
const HEADER: usize = 28;
/// Boxes with codec parameters. A QuickTime entry keeps them in its `wave`.
const PARAMETERS: [&[u8; 4]; 7] = [
    b"esds", b"dOps", b"dfLa", b"alac", b"dac3", b"dec3", b"btrt",
];

/// MPEG-4 systems object types of codecs (14496-1, table 5).
pub(super) mod object_type {
    pub(in super::super) const AAC: u8 = 0x40;
    pub(in super::super) const MPEG2_AUDIO: u8 = 0x69;
    pub(in super::super) const MPEG1_AUDIO: u8 = 0x6B;
}

/// Returns a box with its header.
pub(super) fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 8;
    [&length.to_be_bytes(), &kind, body].concat()
}

/// Number of channels, bits per sample and sample rate of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    pub(super) channels: u16,
    pub(super) bits: u16,
    pub(super) rate: u32,
}

/// Returns a sample entry with the box of its codec's parameters.
pub(super) fn sample_entry(kind: [u8; 4], shape: Shape, parameters: &[u8]) -> Vec<u8> {
    // Reserved, then the data reference index.
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
    body.extend([0; 8]);
    body.extend(shape.channels.to_be_bytes());
    body.extend(shape.bits.to_be_bytes());
    body.extend([0; 4]);
    // 16.16 fixed point: a rate that does not fit is only stored in the parameters.
    let rate = u16::try_from(shape.rate).unwrap_or(0);
    body.extend((u32::from(rate) << 16).to_be_bytes());
    body.extend(parameters);
    boxed(kind, &body)
}

/// Returns an `mp4a` entry of a codec with its decoder configuration, if it has one.
pub(super) fn mp4a(object_type: u8, shape: Shape, configuration: &[u8]) -> Vec<u8> {
    const AUDIO_STREAM: u8 = 0x15;
    let mut decoder = vec![object_type, AUDIO_STREAM];
    // Buffer size and bit rates, unknown.
    decoder.extend([0; 11]);
    if !configuration.is_empty() {
        decoder.extend(descriptor(5, configuration));
    }
    let mut stream = vec![0; 3];
    stream.extend(descriptor(4, &decoder));
    stream.extend(descriptor(6, &[2]));
    let mut esds = vec![0; 4];
    esds.extend(descriptor(3, &stream));
    sample_entry(*b"mp4a", shape, &boxed(*b"esds", &esds))
}

/// Returns an MPEG-4 systems descriptor, with its length in four groups of seven bits.
fn descriptor(tag: u8, body: &[u8]) -> Vec<u8> {
    let n = body.len();
    let group = |shift: usize| (n >> shift & 127) as u8;
    let head = [
        tag,
        0x80 | group(21),
        0x80 | group(14),
        0x80 | group(7),
        group(0),
    ];
    [&head, body].concat()
}

/// Returns the display name of a codec from an MP4 sample entry.
pub(super) fn codec_name(kind: [u8; 4], body: &[u8]) -> String {
    let name = match &kind {
        b"mp4a" => match object_type(body) {
            Some(object_type::MPEG2_AUDIO | object_type::MPEG1_AUDIO) => "MPEG audio",
            Some(0xA9..=0xAC) => "DTS",
            Some(0xDD) => "Vorbis",
            _ => "AAC",
        },
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        b"alac" => "ALAC",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b".mp3" => "MP3",
        b"samr" | b"sawb" => "AMR",
        b"enca" => "encrypted",
        _ if is_uncompressed(kind) => "PCM",
        _ => return String::from_utf8_lossy(&kind).trim().to_owned(),
    };
    name.to_owned()
}

/// Returns whether the code is one of uncompressed or nearly uncompressed sound.
fn is_uncompressed(kind: [u8; 4]) -> bool {
    const CODES: [&[u8; 4]; 14] = [
        b"sowt", b"twos", b"lpcm", b"in24", b"in32", b"fl32", b"fl64", b"raw ", b"NONE", b"ulaw",
        b"alaw", b"ipcm", b"fpcm", b"ima4",
    ];
    CODES.contains(&&kind)
}

pub(super) const UNCOMPRESSED: &str =
    "few players read uncompressed sound in MP4; convert it to AAC or FLAC first";
pub(super) const NO_FORM: &str = "MP4 has no form of it that players read; convert it to AAC first";

/// Returns the object type in the `esds` of an entry.
fn object_type(body: &[u8]) -> Option<u8> {
    let children = body.get(HEADER..)?;
    let mut esds = find(children, &[b"esds"])
        .or_else(|| find(children, &[b"wave", b"esds"]))?
        .get(4..)?;
    // Descends: the stream's descriptor, after its own fields the decoder's.
    for (tag, fields) in [(3, 3), (4, 0)] {
        let (&found, mut rest) = esds.split_first()?;
        if found != tag {
            return None;
        }
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            if byte & 0x80 == 0 {
                break;
            }
        }
        esds = rest.get(fields..)?;
    }
    esds.first().copied()
}

/// Converts an MP4 entry for a recording: unchanged, or from QuickTime to MP4 form. The error
/// explains why that is impossible.
pub(super) fn from_mp4(kind: [u8; 4], body: &[u8]) -> Result<Vec<u8>, String> {
    if kind == *b"enca" {
        return Err("it is encrypted".to_owned());
    }
    if is_uncompressed(kind) {
        return Err(UNCOMPRESSED.to_owned());
    }
    let damaged = || "its description is damaged".to_owned();
    let header: &[u8; HEADER] = body.first_chunk().ok_or_else(damaged)?;
    let version = u16::from_be_bytes([header[8], header[9]]);
    let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let extra = match version {
        0 => 0,
        1 => 16,
        2 => 36,
        _ => return Err(damaged()),
    };
    let children = body.get(HEADER + extra..).ok_or_else(damaged)?;
    let mut shape = Shape {
        channels: number(16),
        bits: number(18),
        rate: number(24).into(),
    };
    if version == 2 {
        // A 64-bit number, then the channels (QuickTime File Format, sound description V2).
        let rate = body.get(32..40).and_then(|b| b.first_chunk()).copied();
        shape.rate = f64::from_be_bytes(rate.ok_or_else(damaged)?) as u32;
        let channels = body.get(42..44).and_then(|b| b.first_chunk()).copied();
        shape.channels = u16::from_be_bytes(channels.ok_or_else(damaged)?);
    }
    let is_quicktime = version > 0 || find(children, &[b"wave"]).is_some();
    match &kind {
        b".mp3" => {
            let low_rate = shape.rate < 32_000;
            let object_type = if low_rate {
                object_type::MPEG2_AUDIO
            } else {
                object_type::MPEG1_AUDIO
            };
            Ok(mp4a(object_type, shape, &[]))
        }
        // Microsoft's codes inside QuickTime.
        [b'm', b's', ..] => Err(NO_FORM.to_owned()),
        _ if is_quicktime => {
            let wave = find(children, &[b"wave"]).unwrap_or_default();
            let mut parameters = Vec::new();
            for wanted in PARAMETERS {
                let mut found = boxes(children)
                    .chain(boxes(wave))
                    .filter(|b| b.0 == *wanted);
                if let Some((kind, body)) = found.next() {
                    parameters.extend(boxed(kind, body));
                }
            }
            shape.bits = 16;
            Ok(sample_entry(kind, shape, &parameters))
        }
        _ => {
            let mut body = body.to_vec();
            // The only data reference of the recording.
            body[6..8].copy_from_slice(&[0, 1]);
            Ok(boxed(kind, &body))
        }
    }
}
