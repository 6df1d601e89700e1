//! Identity figures of all clips, as JSON and as a table.

use poselens_engine::eval::identity::{IdentityCounts, IdentityFigures, IdentityTally};
use poselens_engine::words::counted;
use serde::Serialize;

use super::percent;

/// Identity figures of labelled clips.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Sums over all clips, and the figures computed from them.
    all: Row,
    clips: Vec<Row>,
}

/// Figures of one clip, or of all.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Labelled frames without predictions; the people in them count as missed.
    missing_frames: usize,
    #[serde(flatten)]
    figures: IdentityFigures,
    #[serde(flatten)]
    counts: IdentityCounts,
}

impl Row {
    fn new(name: String, missing_frames: usize, counts: IdentityCounts) -> Self {
        Self {
            name,
            missing_frames,
            figures: counts.figures(),
            counts,
        }
    }
}

impl Figures {
    /// Creates the figures of all clips; `missing` has the number of frames without predictions of
    /// each.
    pub(super) fn new(tally: &IdentityTally, missing: &[usize]) -> Self {
        let mut sum = IdentityCounts::default();
        let mut clips = Vec::new();
        for (clip, missing) in tally.clips().into_iter().zip(missing) {
            sum.add(&clip.counts);
            clips.push(Row::new(clip.name, *missing, clip.counts));
        }
        let all = Row::new("all".to_owned(), missing.iter().sum(), sum);
        Self { all, clips }
    }

    /// Formats the figures in percent and the counts, in aligned columns.
    pub(super) fn table(&self) -> String {
        let IdentityCounts {
            people,
            labels,
            frames,
            ..
        } = self.all.counts;
        let mut rows = vec![format!(
            "identities of {} in {} of {}, {}",
            counted(people, "person"),
            counted(frames, "frame"),
            counted(self.clips.len(), "clip"),
            counted(labels, "label")
        )];
        let shown: Vec<&Row> = match &self.clips[..] {
            [only] => vec![only],
            several => several.iter().chain([&self.all]).collect(),
        };
        let longest = shown.iter().map(|row| row.name.chars().count()).max();
        let width = longest.unwrap_or_default().max(12);
        let mut line = |name: &str, cells: [String; 9]| {
            let cells = cells.iter().map(|cell| format!(" {cell:>8}"));
            let row = std::iter::once(format!("{name:width$}")).chain(cells);
            rows.push(row.collect::<Vec<_>>().concat());
        };
        let titles = [
            "IDF1", "IDP", "IDR", "MOTA", "mean OKS", "switches", "misses", "false", "tracks",
        ];
        line("", titles.map(str::to_owned));
        for Row {
            name,
            figures,
            counts,
            ..
        } in shown
        {
            let shares = [
                figures.idf1,
                figures.id_precision,
                figures.id_recall,
                figures.mota,
                figures.mean_oks,
            ];
            let [idf1, precision, recall, mota, oks] = shares.map(percent);
            let numbers = [
                counts.switches,
                counts.misses,
                counts.false_positives,
                counts.tracks,
            ];
            let [switches, misses, excess, tracks] = numbers.map(|n| n.to_string());
            line(
                name,
                [
                    idf1, precision, recall, mota, oks, switches, misses, excess, tracks,
                ],
            );
        }
        rows.join("\n")
    }
}
