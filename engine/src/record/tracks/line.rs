//! One line of the recorded poses: its contents, and the places of its track ids.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;

use super::TrackId;
use crate::geometry::BBox;
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;

/// A line as `--write-json` writes it; unknown fields are ignored here and kept in the text.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) frame: u64,
    pub(super) time_secs: f64,
    pub(super) width: usize,
    pub(super) height: usize,
    #[serde(borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(borrow)]
    skeleton: Cow<'a, str>,
    pub(super) poses: Vec<Person>,
}

/// A person of a line.
#[derive(Debug, Deserialize)]
pub(super) struct Person {
    track_id: Option<u64>,
    score: f32,
    #[serde(rename = "box")]
    bbox: [f64; 4],
    keypoints: Vec<Keypoint>,
    keypoints_raw: Vec<Keypoint>,
}

impl Person {
    pub(super) fn id(&self) -> TrackId {
        self.track_id.map_or(TrackId::Absent, TrackId::Id)
    }

    /// Returns the pose with another track id.
    pub(super) fn into_pose(self, track_id: Option<u64>) -> Pose {
        let [x, y, w, h] = self.bbox;
        Pose {
            track_id,
            score: self.score,
            bbox: BBox { x, y, w, h },
            keypoints: self.keypoints,
            keypoints_raw: self.keypoints_raw,
            past: Vec::new(),
        }
    }
}

impl<'a> Line<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is not one of recorded poses: the reason.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let line: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let n_joints = line.skeleton()?.n_joints();
        let is_whole = |p: &Person| [&p.keypoints, &p.keypoints_raw].map(Vec::len) == [n_joints; 2];
        if !line.poses.iter().all(is_whole) {
            return Err(format!("a person does not have {n_joints} joints"));
        }
        let mut ids: Vec<u64> = line.poses.iter().filter_map(|p| p.track_id).collect();
        ids.sort_unstable();
        if let Some([id, _]) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("two people have the id {id}"));
        }
        Ok(line)
    }

    /// Returns the skeleton of its poses.
    ///
    /// # Errors
    /// When it is not known: the reason.
    pub(super) fn skeleton(&self) -> Result<&'static Skeleton, String> {
        let unknown = || format!("skeleton '{}' is not known", self.skeleton);
        Skeleton::by_name(&self.skeleton).ok_or_else(unknown)
    }
}

/// Returns a line with the ids `now` of its people instead of those recorded; everything else is
/// the same text. `None` if it is not a line that [`Line::parse`] accepts.
pub(super) fn with_ids(line: &[u8], recorded: &[TrackId], now: &[TrackId]) -> Option<Vec<u8>> {
    let mut places = None;
    let mut scan = Scan { text: line, at: 0 };
    scan.object(|scan, key| {
        if key == "poses" {
            places = Some(scan.people()?);
            return Some(());
        }
        scan.value().map(|_| ())
    })?;
    let people = places?;
    if [recorded.len(), now.len()] != [people.len(); 2] {
        return None;
    }
    let Some((first, last)) = people.first().zip(people.last()) else {
        return Some(line.to_vec());
    };
    let mut text = Vec::with_capacity(line.len() + 16);
    text.extend_from_slice(line.get(..first.object.start)?);
    let mut is_first = true;
    for (i, PersonPlace { object, id: place }) in people.iter().enumerate() {
        if now[i] == TrackId::Removed {
            continue;
        }
        if !is_first {
            // The comma before this person.
            text.extend_from_slice(line.get(people[i - 1].object.end..object.start)?);
        }
        is_first = false;
        match now[i] {
            TrackId::Id(id) if now[i] != recorded[i] => {
                let place = place.as_ref()?;
                text.extend_from_slice(line.get(object.start..place.start)?);
                text.extend_from_slice(id.to_string().as_bytes());
                text.extend_from_slice(line.get(place.end..object.end)?);
            }
            _ => text.extend_from_slice(line.get(object.clone())?),
        }
    }
    text.extend_from_slice(line.get(last.object.end..)?);
    Some(text)
}

/// Where a person is in the text of a line.
struct PersonPlace {
    object: Range<usize>,
    /// The value of `track_id`.
    id: Option<Range<usize>>,
}

/// A position in valid JSON text.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    /// Passes white space and returns the next byte.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..)?;
        self.at += rest.iter().position(|b| !b.is_ascii_whitespace())?;
        self.text.get(self.at).copied()
    }

    /// Passes white space and this byte.
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes a string.
    fn string(&mut self) -> Option<Range<usize>> {
        self.expect(b'"')?;
        let begin = self.at - 1;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(begin..self.at)
    }

    /// Passes any value.
    fn value(&mut self) -> Option<Range<usize>> {
        let first = self.peek()?;
        let begin = self.at;
        match first {
            b'"' => return self.string(),
            b'{' | b'[' => {
                let mut depth = 0_usize;
                loop {
                    match self.peek()? {
                        b'"' => {
                            self.string()?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth = depth.checked_sub(1)?,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => {
                let is_end = |b: &u8| b",]}".contains(b) || b.is_ascii_whitespace();
                let rest = self.text.get(begin..)?;
                self.at += rest.iter().position(is_end).unwrap_or(rest.len());
            }
        }
        Some(begin..self.at)
    }

    /// Passes an object; `member` gets the name of each member and must pass its value.
    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Option<()>,
    ) -> Option<Range<usize>> {
        self.expect(b'{')?;
        let begin = self.at - 1;
        while self.peek()? != b'}' {
            let key = self.string()?;
            let key: String = serde_json::from_slice(self.text.get(key)?).ok()?;
            self.expect(b':')?;
            member(self, &key)?;
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(begin..self.at)
    }

    /// Passes the list of people.
    fn people(&mut self) -> Option<Vec<PersonPlace>> {
        self.expect(b'[')?;
        let mut people = Vec::new();
        while self.peek()? != b']' {
            let mut id = None;
            let object = self.object(|scan, key| {
                let value = scan.value()?;
                if key == "track_id" {
                    id = Some(value);
                }
                Some(())
            })?;
            people.push(PersonPlace { object, id });
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(people)
    }
}
