//! Ticks of the axes of a plot: a few round values, whatever the range and the size of the plot.

use egui_plot::{GridInput, GridMark};

use crate::words::short;

/// Round steps within a decade.
const ROUND: [f64; 3] = [1.0, 2.0, 5.0];
/// Tolerance of a value on a tick, as a fraction of the step.
const ON_TICK: f64 = 1e-6;
/// Minimum distance of two ticks of the step axis in points: seven digits fit.
const STEP_DISTANCE: f64 = 48.0;
/// Minimum distance of two ticks of the value axis in points.
const VALUE_DISTANCE: f32 = 20.0;
/// Minimum distance of grid lines in points, by which egui_plot scales its proposals.
pub(super) const LINE_DISTANCE: f32 = 4.0;

/// Scale of a plot's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unit {
    /// Linear scale.
    Plain,
    /// Powers of ten.
    Log,
    /// Fractions shown in per cent.
    Percent,
}

impl Unit {
    /// Formats a value under the pointer.
    pub fn text(self, v: f64) -> String {
        match self {
            Self::Plain => short(v),
            Self::Log => short(10_f64.powf(v)),
            Self::Percent => format!("{:.1} %", 100.0 * v),
        }
    }

    /// Formats the value of a tick, without digits that are zero.
    pub fn tick_text(self, v: f64) -> String {
        match self {
            Self::Percent => format!("{} %", short(100.0 * v)),
            Self::Plain | Self::Log => self.text(v),
        }
    }
}

/// Returns the ticks of a value axis `height` points high, ascending: the first is at most `low`,
/// the last at least `high`.
pub(super) fn values((low, high): (f64, f64), unit: Unit, height: f32) -> Vec<f64> {
    let most = (height / VALUE_DISTANCE).floor().clamp(2.0, 6.0) as usize;
    match unit {
        Unit::Plain | Unit::Percent => linear((low, high), most, 0.0),
        Unit::Log => {
            let fine = ladder((low, high));
            if fine.len() <= most + 1 {
                return fine;
            }
            linear((low, high), most, 1.0)
        }
    }
}

/// Returns multiples of a round step that enclose the range with at most `most` intervals; the step
/// is at least `least`.
fn linear((low, high): (f64, f64), most: usize, least: f64) -> Vec<f64> {
    let most = most.max(2) as f64;
    let mut least = least.max((high - low) / most);
    loop {
        let step = round_up(least);
        let first = (low / step + ON_TICK).floor();
        let last = (high / step - ON_TICK).ceil().max(first + 1.0);
        if last - first <= most {
            let n = (last - first) as usize;
            return (0..=n).map(|i| (first + i as f64) * step).collect();
        }
        least = 1.5 * step;
    }
}

/// Returns the logarithms of 1, 2, 5, 10, 20... that enclose the range of logarithms.
fn ladder((low, high): (f64, f64)) -> Vec<f64> {
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let all: Vec<f64> = (first..=last)
        .flat_map(|decade| ROUND.map(|digit| f64::from(decade) + digit.log10()))
        .collect();
    let first = all.iter().rposition(|v| *v <= low + ON_TICK).unwrap_or(0);
    let last = all.iter().position(|v| *v >= high - ON_TICK);
    let last = last.unwrap_or(all.len() - 1).max(first + 1);
    all[first..=last.min(all.len() - 1)].to_vec()
}

/// Returns the smallest round step of at least `least`, which is positive.
fn round_up(least: f64) -> f64 {
    let least = least.max(f64::MIN_POSITIVE);
    let decade = 10_f64.powf(least.log10().floor());
    let digit = ROUND
        .into_iter()
        .find(|d| d * decade >= least * (1.0 - ON_TICK));
    decade * digit.unwrap_or(10.0)
}

/// Returns the marks of the value axis at `ticks`, as far as they are visible.
pub(super) fn value_marks(ticks: &[f64], visible: (f64, f64)) -> Vec<GridMark> {
    let gaps = ticks.windows(2).map(|pair| pair[1] - pair[0]);
    let step_size = gaps.reduce(f64::min).unwrap_or(1.0);
    let (low, high) = visible;
    let is_visible = |value: &&f64| (low..=high).contains(*value);
    let mark = |value: &f64| GridMark {
        value: *value,
        step_size,
    };
    ticks.iter().filter(is_visible).map(mark).collect()
}

/// Formats a step: all digits, as far as they fit.
pub(super) fn step_text(step: f64) -> String {
    if step < 1e7 {
        format!("{step:.0}")
    } else {
        short(step)
    }
}

/// Returns the marks of the step axis: whole steps.
pub(super) fn step_marks(input: &GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let per_point = input.base_step_size / f64::from(LINE_DISTANCE);
    let step_size = round_up((STEP_DISTANCE * per_point).max(1.0));
    let first = (low.max(0.0) / step_size - ON_TICK).ceil();
    let n = ((high / step_size + ON_TICK).floor() - first).max(-1.0) + 1.0;
    let mark = |i: usize| GridMark {
        value: (first + i as f64) * step_size,
        step_size,
    };
    (0..n as usize).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a value axis has fewer than two labels or more than fit, labels are long or equal,
    /// or a curve leaves the labelled range.
    #[test]
    fn every_range_has_a_few_short_labels() {
        for (range, unit) in [
            ((0.0, 1.0), Unit::Plain),
            ((0.2036, 0.2291), Unit::Plain),
            ((0.0, 1e-4), Unit::Plain),
            ((0.2289, 4.718e10), Unit::Plain),
            ((0.5869, 704.2), Unit::Plain),
            ((0.859, 0.967), Unit::Percent),
            ((0.96, 1.0), Unit::Percent),
            ((0.0, 0.934), Unit::Percent),
            ((-0.95, -0.45), Unit::Log),
            ((-0.6, 10.7), Unit::Log),
            ((-3.0, 0.0), Unit::Log),
        ] {
            for height in [32.0, 44.0, 60.0, 110.0, 400.0] {
                let ticks = values(range, unit, height);
                let most = (height / VALUE_DISTANCE).max(2.0) as usize + 1;
                let about = format!("{range:?} {unit:?} {height}: {ticks:?}");
                assert!((2..=most).contains(&ticks.len()), "{about}");
                assert!(height < 60.0 || ticks.len() > 2, "{about}");
                assert!(ticks[0] <= range.0 + 1e-9, "{about}");
                assert!(ticks[ticks.len() - 1] >= range.1 - 1e-9, "{about}");
                let mut texts: Vec<_> = ticks.iter().map(|v| unit.tick_text(*v)).collect();
                assert!(texts.iter().all(|text| text.len() <= 7), "{texts:?}");
                texts.dedup();
                assert_eq!(texts.len(), ticks.len(), "{texts:?}");
                let is_fraction = |v: &f64| (-1e-9..=1.0 + 1e-9).contains(v);
                assert!(unit != Unit::Percent || ticks.iter().all(is_fraction));
            }
        }
        let texts = values((0.2289, 4.718e10), Unit::Plain, 100.0);
        let texts = texts.into_iter().map(|v| Unit::Plain.tick_text(v));
        assert_eq!(
            texts.collect::<Vec<_>>(),
            ["0", "1e10", "2e10", "3e10", "4e10", "5e10"]
        );
    }

    /// Fails when the step axis of a small plot has a single label, one that is no whole step, or
    /// labels that overlap.
    #[test]
    fn the_step_axis_has_whole_steps() {
        for steps in [1.0, 4.0, 8.0, 24.0, 39.0, 4321.0, 1e6] {
            for width in [180.0, 240.0, 480.0, 900.0] {
                let input = GridInput {
                    bounds: (-0.05 * steps, 1.05 * steps),
                    base_step_size: 1.1 * steps / width * f64::from(LINE_DISTANCE),
                };
                let marks = step_marks(&input);
                let about = format!("{steps} {width}: {marks:?}");
                assert!(marks.len() >= 2, "{about}");
                assert!(marks.iter().all(|m| m.value.fract() == 0.0), "{about}");
                let last = marks[marks.len() - 1].value;
                assert!((0.0..=1.05 * steps).contains(&last), "{about}");
                let distance = width / (1.1 * steps) * marks[0].step_size;
                assert!(distance >= 0.99 * STEP_DISTANCE, "{about}");
            }
        }
    }
}
