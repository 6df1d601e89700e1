//! Formatting of numbers.

use crate::counts::counted;

/// Formats with four significant digits: `0.0004371`, `0.5`, `9477`.
pub fn figure(value: f64) -> String {
    let before = value.abs().max(1e-12).log10().floor() as i32;
    let text = format!("{value:.*}", usize::try_from(3 - before).unwrap_or(0));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Returns the warning about images that are in both the training and the validation data.
pub fn shared_text(n: usize) -> String {
    format!(
        "{} {} in both sets, so the measured accuracy will be too optimistic.",
        counted(n as u64, "image"),
        if n == 1 { "is" } else { "are" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a large loss is shown with meaningless digits, or a small one as 0.
    #[test]
    fn losses_have_four_significant_digits() {
        let all = [9_476.577_15, 0.5, 0.000_437_12, 12.0, 0.0].map(figure);
        assert_eq!(all, ["9477", "0.5", "0.0004371", "12", "0"]);
    }
}
