//! The drawn measures of one person over the last seconds.

use std::collections::VecDeque;

use poselens_engine::pipeline::Presented;

/// Length of the series in seconds.
pub(super) const SPAN_SECS: f64 = 10.0;

/// Values over time.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Names of the curves; all have the same unit.
    pub(super) names: Vec<String>,
    pub(super) unit: String,
    /// Times in the source with their values, oldest first.
    pub(super) rows: VecDeque<(f64, Vec<Option<f64>>)>,
}

impl Series {
    /// Adds the measures of the person with the lowest id, if the frame is new. Only those with the
    /// unit of the first measure are kept: angles and lengths have no common axis.
    pub(super) fn push(&mut self, presented: &Presented) {
        let Some(output) = &presented.output else {
            return;
        };
        if presented.is_redraw || presented.review.is_some() {
            return;
        }
        let mut measures = presented.look.drawn_measures();
        let Some(unit) = measures.list.first().map(|spec| measures.unit(spec)) else {
            *self = Self::default();
            return;
        };
        let all = std::mem::take(&mut measures.list);
        let has_unit = all.into_iter().filter(|spec| measures.unit(spec) == unit);
        measures.list = has_unit.collect();
        let names: Vec<_> = measures.list.iter().map(ToString::to_string).collect();
        let people = output.poses.iter();
        let person = people.min_by_key(|pose| pose.track_id.unwrap_or(u64::MAX));
        let least = presented.look.style.keypoint_threshold;
        let values = person.map_or_else(
            || vec![None; names.len()],
            |pose| measures.values(output, pose, least),
        );
        if (&self.names, &self.unit) != (&names, &unit) {
            *self = Self {
                names,
                unit,
                ..Self::default()
            };
        }
        self.add(presented.frame.time_secs, values);
    }

    /// Adds the values at a time. A time among the earlier ones is a frame seen before; one beyond
    /// them begins anew.
    fn add(&mut self, secs: f64, values: Vec<Option<f64>>) {
        let times = self.rows.front().zip(self.rows.back());
        let times = times.map(|(first, last)| (first.0, last.0));
        if let Some((first, last)) = times {
            if (first..=last).contains(&secs) {
                return;
            }
            if secs < first || secs > last + SPAN_SECS {
                self.rows.clear();
            }
        }
        self.rows.push_back((secs, values));
        while self
            .rows
            .front()
            .is_some_and(|row| secs - row.0 > SPAN_SECS)
        {
            self.rows.pop_front();
        }
    }

    /// Returns the points of a curve.
    pub(super) fn points(&self, curve: usize) -> Vec<[f64; 2]> {
        let rows = self.rows.iter();
        let points = rows.filter_map(|(secs, values)| Some([*secs, (*values.get(curve)?)?]));
        points.collect()
    }

    /// Returns the time of the frame nearest to a time.
    pub(super) fn nearest(&self, secs: f64) -> Option<f64> {
        let times = self.rows.iter().map(|row| row.0);
        times.min_by(|a, b| (a - secs).abs().total_cmp(&(b - secs).abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the plot keeps more than its span, mixes frames from before a jump with later
    /// ones, or a frame that was gone back to clears it.
    #[test]
    fn the_last_ten_seconds_are_kept() {
        let mut series = Series::default();
        for i in 0..40 {
            series.add(0.5 * f64::from(i), vec![Some(f64::from(i)), None]);
        }
        assert_eq!((series.rows[0].0, series.rows.len()), (9.5, 21));
        series.add(12.0, vec![Some(-1.0), None]);
        assert_eq!(series.rows.len(), 21);
        assert_eq!(series.points(0)[0], [9.5, 19.0]);
        assert!(series.points(1).is_empty() && series.points(2).is_empty());
        assert_eq!(series.nearest(10.3), Some(10.5));
        series.add(1.0, vec![Some(2.0), None]);
        assert_eq!(series.points(0), [[1.0, 2.0]], "the file begins again");
        series.add(90.0, vec![Some(3.0), None]);
        assert_eq!(series.points(0), [[90.0, 3.0]], "a jump forward");
    }
}
