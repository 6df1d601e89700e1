//! Formatting of numbers.

pub use poselens_engine::words::counted;
use poselens_engine::words::of_count;

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

/// Formats a count of people: `1 person`, `1 234 people`.
pub fn people_text(n: usize) -> String {
    format!("{} {}", grouped(n as u64), of_count(n, "person"))
}

/// Groups digits: `1 234 567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
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
