//! The sequence parameter set of H.264: properties of a stream needed before decoding.
//!
//! Syntax: ITU-T H.264 clauses 7.3.2.1.1 and E.1.1. Only fields are parsed that decide whether the
//! native decoder supports the stream, and how its colours and pixels are interpreted.

use super::MAX_SIDE;
use super::aspect::PixelAspect;
use super::colour::ColourHint;

/// Maximum number of macroblocks of a frame at level 5.2 (4096x2304), which the decoder reserves.
const MAX_MACROBLOCKS: u64 = 36_864;

/// Display parameters in a sequence parameter set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usability {
    pub(super) colour: ColourHint,
    pub(super) aspect: Option<PixelAspect>,
}

/// Checks that a sequence parameter set (a NAL unit with its header byte) describes 8-bit 4:2:0
/// progressive video and returns its display parameters. The error describes the actual format.
pub(super) fn check(nal: &[u8]) -> Result<Usability, String> {
    let payload = without_emulation_bytes(nal.get(1..).unwrap_or_default());
    parse(&mut Bits::new(&payload))
        .ok_or_else(|| "H.264 video with a damaged parameter set".to_owned())?
}

/// Returns the id of a sequence or picture parameter set (a NAL unit with its header byte).
pub(super) fn parameter_set_id(nal: &[u8]) -> Option<u64> {
    let (&header, payload) = nal.split_first()?;
    // A sequence's id follows its profile, constraint flags and level.
    let skipped = if header & 31 == 7 { 24 } else { 0 };
    let payload = without_emulation_bytes(&payload[..payload.len().min(16)]);
    let mut bits = Bits::new(&payload);
    bits.take(skipped)?;
    bits.exp_golomb()
}

/// Returns `None` if the data end early.
fn parse(bits: &mut Bits) -> Option<Result<Usability, String>> {
    let profile = bits.take(8)?;
    bits.take(16)?; // constraint flags, level
    bits.exp_golomb()?; // seq_parameter_set_id
    match profile {
        66 | 77 => {}
        100 => {
            let chroma_format = bits.exp_golomb()?;
            let depths = (bits.exp_golomb()?, bits.exp_golomb()?);
            if chroma_format != 1 {
                return Some(Err("H.264 video that is not 4:2:0".into()));
            }
            if depths != (0, 0) {
                return Some(Err("H.264 video with more than 8 bits".into()));
            }
            bits.take(1)?; // qpprime_y_zero_transform_bypass_flag
            if bits.flag()? {
                for list in 0..8 {
                    if bits.flag()? {
                        skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        110 => return Some(Err("10-bit H.264 video".into())),
        122 | 244 | 44 => return Some(Err("4:2:2 or 4:4:4 H.264 video".into())),
        other => return Some(Err(format!("H.264 video of profile {other}"))),
    }
    bits.exp_golomb()?; // log2_max_frame_num_minus4
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.take(1)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            for _ in 0..bits.exp_golomb()?.min(255) {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    bits.exp_golomb()?; // max_num_ref_frames
    bits.take(1)?; // gaps_in_frame_num_value_allowed_flag
    let width = bits.exp_golomb()? + 1;
    let height = bits.exp_golomb()? + 1;
    let max_side = MAX_SIDE as u64 / 16;
    if width > max_side || height > max_side || width * height > MAX_MACROBLOCKS {
        let (width, height) = (width * 16, height * 16);
        return Some(Err(format!(
            "H.264 video of {width}x{height} pixels, more than level 5.2 allows"
        )));
    }
    if !bits.flag()? {
        return Some(Err("interlaced H.264 video".into()));
    }
    bits.take(1)?; // direct_8x8_inference_flag
    if bits.flag()? {
        for _ in 0..4 {
            bits.exp_golomb()?; // cropping, which the decoder applies
        }
    }
    let has_usability_information = bits.flag()?;
    Some(Ok(if has_usability_information {
        parse_usability(bits)?
    } else {
        Usability::default()
    }))
}

/// Table E-1: `aspect_ratio_idc` from 1.
const ASPECTS: [(u64, u64); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// Parses the start of the video usability information, up to the colour description.
fn parse_usability(bits: &mut Bits) -> Option<Usability> {
    let mut told = Usability::default();
    if bits.flag()? {
        const EXTENDED_SAMPLE_ASPECT: u64 = 255;
        let (width, height) = match bits.take(8)? {
            EXTENDED_SAMPLE_ASPECT => (bits.take(16)?, bits.take(16)?),
            n => {
                let row = usize::try_from(n).ok().and_then(|n| n.checked_sub(1));
                row.and_then(|n| ASPECTS.get(n).copied()).unwrap_or((0, 0))
            }
        };
        told.aspect = PixelAspect::new(width, height);
    }
    if bits.flag()? {
        bits.take(1)?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.take(3)?; // video_format
        told.colour.full_range = Some(bits.flag()?);
        if bits.flag()? {
            bits.take(16)?; // primaries, transfer
            told.colour.matrix = Some(bits.take(8)?);
        }
    }
    Some(told)
}

/// Clause 7.3.2.1.1.1: the values do not matter here, only their length.
fn skip_scaling_list(bits: &mut Bits, n: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..n {
        if next != 0 {
            let code = bits.exp_golomb()? as i64;
            let delta = if code % 2 == 1 {
                (code + 1) / 2
            } else {
                -code / 2
            };
            next = (last + delta).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Removes the 3 of each 0 0 3, which prevents accidental start codes.
fn without_emulation_bytes(nal: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}

/// Reads bits, most significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    fn take(&mut self, n: usize) -> Option<u64> {
        (0..n).try_fold(0, |value, _| Some(value << 1 | u64::from(self.flag()?)))
    }

    /// Reads ue(v); values from 2^32 up do not occur in valid streams.
    fn exp_golomb(&mut self) -> Option<u64> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fails when the reader of variable-length codes miscounts (H.264 table 9-2).
    #[test]
    fn exponential_golomb_codes_are_those_of_the_standard() {
        // 1 010 011 00100 00101, then padding.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::new(&bytes);
        let codes: Vec<_> = (0..5).map_while(|_| bits.exp_golomb()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4]);
    }

    /// Fails when an emulation prevention byte is read as data.
    #[test]
    fn emulation_bytes_are_removed() {
        assert_eq!(
            without_emulation_bytes(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3]),
            [0, 0, 1, 0, 0, 0, 0, 3]
        );
    }

    proptest! {
        /// Fails when a damaged parameter set causes a panic or an endless loop.
        #[test]
        fn any_bytes_never_panic(nal in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&nal);
        }
    }
}
