//! How figures are shown next to each other: a difference is that of the shown figures, so that a
//! table adds up.

/// Unit and number of decimals of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    factor: f64,
    decimals: usize,
    unit: &'static str,
}

impl Scale {
    /// Shares: `93.4 %`.
    pub(super) const PERCENT: Self = Self {
        factor: 100.0,
        decimals: 1,
        unit: " %",
    };
    /// Lengths of the torso: `0.012`.
    pub(super) const TORSO: Self = Self {
        factor: 1.0,
        decimals: 3,
        unit: "",
    };

    /// Returns the figure as it is shown.
    pub(super) fn text(self, value: f64) -> String {
        format!("{:.*}{}", self.decimals, self.shown(value), self.unit)
    }

    /// Returns the figure as it is shown, with its sign.
    pub(super) fn signed(self, value: f64) -> String {
        format!("{:+.*}{}", self.decimals, self.shown(value), self.unit)
    }

    /// Returns the difference of the shown figures in shown units, which is never -0.
    pub(super) fn difference(self, before: f64, after: f64) -> f64 {
        self.rounded(self.shown(after) - self.shown(before))
    }

    /// Returns the difference of the shown figures as it is shown, with its sign.
    pub(super) fn signed_difference(self, before: f64, after: f64) -> String {
        let by = self.difference(before, after);
        format!("{by:+.*}{}", self.decimals, self.unit)
    }

    /// Returns a value in shown units, rounded like its text.
    fn shown(self, value: f64) -> f64 {
        self.rounded(self.factor * value)
    }

    fn rounded(self, units: f64) -> f64 {
        let text = format!("{units:.*}", self.decimals);
        let rounded = text.parse().unwrap_or(units);
        if rounded == 0.0 { 0.0 } else { rounded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fails when figures that look like 0.012 and 0.013 differ by 0.002, or equal ones by -0.0.
    #[test]
    fn a_difference_is_that_of_the_shown_figures() {
        let (before, after) = (0.011_51, 0.013_49);
        assert_eq!(Scale::TORSO.text(before), "0.012");
        assert_eq!(Scale::TORSO.text(after), "0.013");
        assert_eq!(Scale::TORSO.signed_difference(before, after), "+0.001");
        assert_eq!(Scale::TORSO.signed_difference(after, before), "-0.001");
        assert_eq!(Scale::PERCENT.signed_difference(0.9336, 0.9338), "+0.0 %");
        assert_eq!(Scale::PERCENT.signed(-0.000_01), "+0.0 %");
    }

    proptest! {
        /// Fails when a difference does not add up with the texts of its figures.
        #[test]
        fn tables_add_up(before in 0.0..1.0_f64, after in 0.0..1.0_f64) {
            for scale in [Scale::PERCENT, Scale::TORSO] {
                let number = |text: String| -> f64 {
                    text.trim_end_matches(" %").parse().unwrap()
                };
                let sum = number(scale.text(before)) + scale.difference(before, after);
                prop_assert!((sum - number(scale.text(after))).abs() < 1e-9);
            }
        }
    }
}
