//! Audio tracks of Matroska and WebM files.

use std::collections::VecDeque;

use super::codec::{self, Coding, Description, Length};
use super::entry::Shape;
use super::{Open, Tracks, language};
use crate::sound::{Sound, SoundFormat, SoundPacket, SoundPackets, SoundTrack};
use crate::source::video::ebml::{DAMAGED, Elements, child, number, read_size};
use crate::source::video::mkv_blocks::{AUDIO, Block, Blocks, Head, VIDEO, id};

/// Number of video blocks searched for the first frame in presentation order: blocks come in coded
/// order.
const N_FIRST_BLOCKS: usize = 32;
const NANOS_PER_SEC: f64 = 1e9;

/// Finds all audio tracks. The error explains why the file cannot be read.
pub(super) fn open(open: Open<'_>, name: &str) -> Result<Sound, String> {
    let elements = || Elements::new(open()?);
    let head = Head::read(&mut elements()?)?;
    let origin_nanos = match head.entries(VIDEO).next() {
        Some(entry) if head.entries(AUDIO).next().is_some() => {
            let mut elements = elements()?;
            let head = Head::read(&mut elements)?;
            first_ticks(Blocks::new(elements, &head, track_number(entry))) * head.tick_nanos as f64
        }
        _ => 0.0,
    };
    Ok(sound(name, &head, origin_nanos, &|_| elements()))
}

/// Returns the sound of files with this header; `open` opens the one with a track, counted from 0.
/// Times are relative to `origin_nanos`.
pub(super) fn sound(
    name: &str,
    head: &Head,
    origin_nanos: f64,
    open: &dyn Fn(usize) -> Result<Elements, String>,
) -> Sound {
    let mut tracks = Tracks::new(name);
    for (i, entry) in head.entries(AUDIO).enumerate() {
        let codec = child(entry, id::CODEC_ID).unwrap_or_default();
        let codec = String::from_utf8_lossy(codec);
        tracks.add(&codec::name(&codec), |label| {
            let mut elements = open(i)?;
            let head = Head::read(&mut elements)?;
            track(label, &codec, entry, &head, origin_nanos, elements)
        });
    }
    tracks.sound
}

fn track_number(entry: &[u8]) -> u64 {
    number(entry, id::TRACK_NUMBER).unwrap_or(0)
}

/// Returns the time of the first frame in presentation order.
fn first_ticks(mut blocks: Blocks) -> f64 {
    let mut head = Vec::new();
    let next = || blocks.next_block(0, &mut head).ok().flatten();
    let times = std::iter::from_fn(next).take(N_FIRST_BLOCKS);
    times.map(|block| block.time).min().unwrap_or(0) as f64
}

fn track(
    label: String,
    codec: &str,
    entry: &[u8],
    head: &Head,
    origin_nanos: f64,
    elements: Elements,
) -> Result<SoundTrack, String> {
    if child(entry, id::CONTENT_ENCODINGS).is_some() {
        return Err("it is compressed or encrypted by its container".to_owned());
    }
    let audio = child(entry, id::AUDIO).unwrap_or_default();
    let description = Description {
        codec,
        private: child(entry, id::CODEC_PRIVATE).unwrap_or_default(),
        shape: Shape {
            channels: number(audio, id::CHANNELS).map_or(1, |n| n as u16),
            bits: number(audio, id::BIT_DEPTH).map_or(16, |n| n as u16),
            rate: child(audio, id::SAMPLING_FREQUENCY).map_or(8000, |b| float(b) as u32),
        },
    };
    // A pipe contains this track alone, under its own number.
    let numbers: Vec<u64> = head.entries(AUDIO).map(track_number).collect();
    let number_there = match numbers.as_slice() {
        [only] => *only,
        _ => track_number(entry),
    };
    let mut blocks = Blocks::new(elements, head, number_there);
    let mut frames = VecDeque::new();
    let first = read_block(&mut blocks, &mut frames)?.ok_or("it is empty")?;
    let Coding {
        sample_entry,
        timescale,
        length,
    } = codec::coding(&description, &frames[0])?;
    let delay_nanos = number(entry, id::CODEC_DELAY).unwrap_or(0) as f64;
    let scale = f64::from(timescale) / NANOS_PER_SEC;
    let mut packets = MkvSound {
        blocks,
        frames,
        length,
        tick_scale: head.tick_nanos as f64 * scale,
        shift: (origin_nanos + delay_nanos) * scale,
        next_tick: None,
        last_duration: 0,
        from: i64::MIN,
    };
    packets.begin_block(first);
    let first_tick = packets.next_tick.unwrap_or(0);
    let language = child(entry, id::LANGUAGE).map_or("eng".into(), String::from_utf8_lossy);
    Ok(SoundTrack {
        format: SoundFormat {
            label,
            sample_entry,
            timescale,
            language: self::language(&language),
            heard: (first_tick + (delay_nanos * scale).round() as i64, i64::MAX),
        },
        packets: Box::new(packets),
    })
}

/// Parses a big-endian floating-point number of 4 or 8 bytes.
fn float(bytes: &[u8]) -> f64 {
    match (bytes.as_array::<4>(), bytes.as_array::<8>()) {
        (Some(bytes), _) => f32::from_be_bytes(*bytes).into(),
        (_, Some(bytes)) => f64::from_be_bytes(*bytes),
        _ => 0.0,
    }
}

/// Reads the packets of a track. Block times are rounded to milliseconds; packet durations are
/// exact.
struct MkvSound {
    blocks: Blocks,
    /// Remaining frames of the current block.
    frames: VecDeque<Vec<u8>>,
    length: Length,
    /// Ticks of the track per tick of the container.
    tick_scale: f64,
    /// Subtracted from the times of the container, in ticks of the track.
    shift: f64,
    /// Start of the next packet if it follows the previous one; `None` before the first.
    next_tick: Option<i64>,
    last_duration: u32,
    /// Packets that end before this time are skipped.
    from: i64,
}

/// Number of container ticks by which a block's time must differ from the end of the previous
/// packet to be used; smaller differences are rounding.
const TREMBLE: f64 = 2.0;

impl MkvSound {
    fn begin_block(&mut self, block: Block) {
        let tick = (block.time as f64 * self.tick_scale - self.shift).round() as i64;
        let follows = |next: &i64| {
            let distance = tick.saturating_sub(*next) as f64;
            // A block in the past can no longer be played at its time.
            distance <= TREMBLE * self.tick_scale
        };
        self.next_tick = Some(self.next_tick.filter(follows).unwrap_or(tick));
    }

    fn next_frame(&mut self) -> Result<Option<Vec<u8>>, String> {
        while self.frames.is_empty() {
            let Some(block) = read_block(&mut self.blocks, &mut self.frames)? else {
                return Ok(None);
            };
            self.begin_block(block);
        }
        Ok(self.frames.pop_front())
    }
}

impl SoundPackets for MkvSound {
    fn skip_to(&mut self, tick: i64) {
        self.from = tick;
    }

    fn next_packet(&mut self) -> Result<Option<SoundPacket>, String> {
        while let Some(data) = self.next_frame()? {
            let duration = self.length.of(&data).unwrap_or(self.last_duration);
            self.last_duration = duration;
            let tick = self.next_tick.unwrap_or(0);
            let end = tick.saturating_add(duration.into());
            self.next_tick = Some(end);
            if end > self.from {
                return Ok(Some(SoundPacket {
                    tick,
                    duration,
                    data,
                }));
            }
        }
        Ok(None)
    }
}

/// Reads the next block's frames; `None` at the end.
fn read_block(
    blocks: &mut Blocks,
    frames: &mut VecDeque<Vec<u8>>,
) -> Result<Option<Block>, String> {
    let mut data = Vec::new();
    let Some(block) = blocks.next_block(u64::MAX, &mut data)? else {
        return Ok(None);
    };
    if block.lacing() == 0 {
        frames.push_back(data);
    } else {
        frames.extend(unlace(block.lacing(), &data).ok_or(DAMAGED)?);
    }
    Ok(Some(block))
}

/// Splits the frames that share a block (RFC 9559, 10.3).
fn unlace(lacing: u8, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    const XIPH: u8 = 1;
    const EBML: u8 = 3;
    let (&n_more, mut rest) = bytes.split_first()?;
    let mut sizes: Vec<usize> = Vec::new();
    for _ in 0..n_more {
        let size = match lacing {
            XIPH => {
                let n = rest.iter().take_while(|&&b| b == 255).count();
                let last = *rest.get(n)?;
                rest = &rest[n + 1..];
                n * 255 + usize::from(last)
            }
            EBML => {
                let before = rest.len();
                let number = i64::try_from(read_size(&mut rest)?).ok()?;
                let bits = 7 * (before - rest.len());
                match sizes.last() {
                    None => number as usize,
                    // Difference from the previous size, biased to the middle of the range.
                    Some(&last) => {
                        let middle = (1_i64 << (bits - 1)) - 1;
                        let size = i64::try_from(last).ok()?.checked_add(number - middle)?;
                        usize::try_from(size).ok()?
                    }
                }
            }
            _ => (bytes.len() - 1) / (usize::from(n_more) + 1),
        };
        sizes.push(size);
    }
    let mut frames = Vec::new();
    for size in sizes {
        let (frame, behind) = rest.split_at_checked(size)?;
        frames.push(frame.to_vec());
        rest = behind;
    }
    frames.push(rest.to_vec());
    frames.retain(|frame| !frame.is_empty());
    (!frames.is_empty()).then_some(frames)
}

#[cfg(test)]
mod tests {
    use super::unlace;

    /// Fails when packets that share a block are split at the wrong places.
    #[test]
    fn shared_blocks_are_split() {
        let frames: [&[u8]; 3] = [&[1; 300], &[2; 250], &[3; 7]];
        let whole = frames.concat();
        let xiph = [&[2, 255, 45, 250], &whole[..]].concat();
        // 300 in two bytes, then the difference -50 with bias 8191.
        let ebml = [&[2, 0x41, 0x2C, 0x5F, 0xCD], &whole[..]].concat();
        for (lacing, block) in [(1, xiph), (3, ebml)] {
            assert_eq!(unlace(lacing, &block).unwrap(), frames, "{lacing}");
        }
        let fixed = [1, 5, 6, 7, 8];
        assert_eq!(unlace(2, &fixed).unwrap(), [[5, 6], [7, 8]]);
        assert_eq!(unlace(1, &[3, 255]), None);
        assert_eq!(unlace(3, &[2, 0x41]), None);
    }
}
