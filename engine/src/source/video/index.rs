//! Index from frames to packets: built from the packets' headers in one pass, without decoding.

use super::pace::Pace;
use super::stream::{CUT_OFF, Description, Packet, Packets, Place, first_slice};
use crate::source::OpenOptions;

/// Number of bytes of a packet that are read: encoders put up to a kilobyte of metadata before the
/// slices. If they contain no slice, the whole packet is read.
const HEAD_BYTES: u64 = 2048;

/// Number of frames between two progress reports.
const REPORT_EVERY: usize = 256;

/// The packets of a stream and the frames they contain.
pub(super) struct Index {
    entries: Vec<Entry>,
    /// Time stamps of the frames in presentation order, in ticks, including frames whose packets are
    /// missing.
    pts: Vec<i64>,
    groups: Vec<Group>,
    /// Seconds of each frame since the first.
    pub(super) times: Vec<f64>,
    /// Damage of the container, each with the number of frames before it.
    pub(super) damage: Vec<(usize, String)>,
}

struct Entry {
    place: Place,
    /// Whether packets that it depends on may be missing before it.
    is_torn_off: bool,
}

/// A group of pictures: a key frame with the frames up to the next one, decodable independently.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) first_packet: usize,
    pub(super) first_frame: usize,
}

impl Index {
    /// Reads the headers of all packets, or fewer if the options' stop flag is raised, and reports
    /// progress.
    pub(super) fn new(
        packets: &mut dyn Packets,
        descriptions: &[Description],
        tick_secs: f64,
        mut pace: Pace,
        options: &OpenOptions,
    ) -> Self {
        let mut this = Self {
            entries: Vec::new(),
            pts: Vec::new(),
            groups: Vec::new(),
            times: Vec::new(),
            damage: Vec::new(),
        };
        let mut head = Vec::new();
        let mut is_after_gap = false;
        // Whether packets may be missing in the current group.
        let mut has_gap = false;
        while !options.stop.is_stopped() {
            let place = packets.place();
            match read_head(packets, place, descriptions, &mut head) {
                Ok(Some((packet, is_key))) => {
                    if is_key || this.groups.is_empty() {
                        this.close_group(&mut pace, has_gap, Some(packet.pts));
                        // The first group may have lost its beginning.
                        has_gap = is_after_gap && this.groups.is_empty();
                        this.groups.push(Group {
                            first_packet: this.entries.len(),
                            first_frame: this.pts.len(),
                        });
                    }
                    if packet.is_shown {
                        this.pts.push(packet.pts);
                    }
                    this.entries.push(Entry {
                        place,
                        is_torn_off: std::mem::take(&mut is_after_gap) && !is_key,
                    });
                    if this.pts.len() % REPORT_EVERY == 1 {
                        let secs = packet.pts as f64 * tick_secs;
                        options.indexing.report(this.pts.len() as u64, secs, None);
                    }
                }
                Ok(None) => break,
                Err(reason) => {
                    if this.groups.is_empty() {
                        pace.begin(packets.place().base_time);
                    }
                    // As in sequential reading.
                    has_gap |= !reason.starts_with(CUT_OFF);
                    is_after_gap = true;
                    this.damage.push((this.pts.len(), reason));
                }
            }
        }
        this.close_group(&mut pace, has_gap, None);
        let first = this.pts.first().copied().unwrap_or(0);
        let mut last = 0.0;
        this.times = (this.pts.iter())
            .map(|pts| {
                // Contradictory times do not run backwards, as in sequential reading.
                last = f64::max(last, pts.saturating_sub(first) as f64 * tick_secs);
                last
            })
            .collect();
        this
    }

    /// Sorts the frames of the last group into presentation order and, if packets may be missing,
    /// inserts the missing frames; `next` is the time of the frame after the group.
    fn close_group(&mut self, pace: &mut Pace, has_gap: bool, next: Option<i64>) {
        let Some(group) = self.groups.last() else {
            return;
        };
        self.pts[group.first_frame..].sort_unstable();
        if has_gap {
            let frames = self.pts[group.first_frame..].iter().copied();
            let missing = pace.missing(frames.chain(next));
            self.pts.extend(missing);
            self.pts[group.first_frame..].sort_unstable();
        }
        for &pts in &self.pts[group.first_frame..] {
            pace.pass(pts);
        }
    }

    /// Returns the time stamp of a frame in ticks.
    pub(super) fn pts(&self, frame: usize) -> i64 {
        self.pts[frame]
    }

    /// Returns the group that contains a frame.
    pub(super) fn group_of(&self, frame: usize) -> Group {
        let after = self.groups.partition_point(|g| g.first_frame <= frame);
        self.groups[after - 1]
    }

    /// Returns the position of a packet, and whether packets that it depends on may be missing
    /// before it; `None` after the last.
    pub(super) fn place(&self, packet: usize) -> Option<(Place, bool)> {
        self.entries.get(packet).map(|e| (e.place, e.is_torn_off))
    }

    /// Returns the group that begins at a packet.
    pub(super) fn group_at(&self, packet: usize) -> Option<Group> {
        let group = self
            .groups
            .binary_search_by_key(&packet, |g| g.first_packet);
        group.ok().map(|i| self.groups[i])
    }

    /// Returns the first group that begins at a packet or after it.
    pub(super) fn group_from(&self, packet: usize) -> Option<Group> {
        let i = self.groups.partition_point(|g| g.first_packet < packet);
        self.groups.get(i).copied()
    }
}

/// Reads the next packet's header and whether decoding can start there.
fn read_head(
    packets: &mut dyn Packets,
    place: Place,
    descriptions: &[Description],
    head: &mut Vec<u8>,
) -> Result<Option<(Packet, bool)>, String> {
    let Some(packet) = packets.next_head(HEAD_BYTES, head)? else {
        return Ok(None);
    };
    let length_bytes = descriptions
        .get(usize::from(packet.description))
        .map_or(4, Description::length_bytes);
    if let Some(is_key) = first_slice(head, length_bytes) {
        return Ok(Some((packet, is_key)));
    }
    packets.go_to(place)?;
    packets.next_packet(head)?;
    let is_key = first_slice(head, length_bytes).unwrap_or(false);
    Ok(Some((packet, is_key)))
}
