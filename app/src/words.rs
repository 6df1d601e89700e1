//! Formatting of numbers and of what a training consists of.

use poselens_engine::train::Started;

use poselens_engine::words::of_count;
pub(crate) use poselens_engine::words::{are, counted};

/// Formats with four significant digits: `0.0004371`, `0.5`, `9477`.
pub(crate) fn figure(value: f64) -> String {
    let before = value.abs().max(1e-12).log10().floor() as i32;
    let text = format!("{value:.*}", usize::try_from(3 - before).unwrap_or(0));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Formats a count like [`counted`], with grouped digits: `1 234 people`.
pub(crate) fn grouped_count(n: u64, noun: &str) -> String {
    format!("{} {}", grouped(n), of_count(n, noun))
}

/// Returns the warning about images that are in both the training and the validation data.
pub(crate) fn shared_text(n: usize) -> String {
    format!(
        "{} in both sets, so the measured accuracy will be too optimistic.",
        are(n, "image")
    )
}

/// Describes a training: `1 person, 2 epochs of 2 steps, 1 done, 1 of 4 steps of warm-up; 1 234 567
/// trainable parameters`.
pub(crate) fn started_text(started: &Started) -> String {
    let done = match started.epoch {
        0 => String::new(),
        n => format!(", {n} done"),
    };
    let all = started.steps();
    let warm_up = match started.warm_up_steps {
        0 => String::new(),
        n if n >= all => {
            ", all of them warm-up: the full learning rate is never reached".to_owned()
        }
        n => format!(", {n} of {all} steps of warm-up"),
    };
    format!(
        "{}, {} of {}{done}{warm_up}; {} trainable parameters",
        grouped_count(started.people as u64, "person"),
        counted(started.epochs as usize, "epoch"),
        counted(started.steps_per_epoch as usize, "step"),
        grouped(started.n_learning)
    )
}

/// Groups digits: `1 234 567`.
pub(crate) fn grouped(n: u64) -> String {
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

/// Formats as `3e-4`, `0.05` or `4e10`.
pub(crate) fn short(v: f64) -> String {
    if v == 0.0 || (0.01..1e5).contains(&v.abs()) {
        let text = format!("{v:.4}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        return text.to_owned();
    }
    let text = format!("{v:.2e}");
    match text.split_once('e') {
        Some((digits, power)) if digits.contains('.') => {
            let digits = digits.trim_end_matches('0').trim_end_matches('.');
            format!("{digits}e{power}")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the size of a training is misstated, or a resumed one looks new.
    #[test]
    fn a_training_states_its_size() {
        let mut started = Started {
            epoch: 0,
            epochs: 1,
            steps_per_epoch: 39,
            warm_up_steps: 0,
            people: 1234,
            n_learning: 1_234_567,
        };
        let text = "1 234 people, 1 epoch of 39 steps; 1 234 567 trainable parameters";
        assert_eq!(started_text(&started), text);
        (started.epoch, started.epochs, started.people) = (1, 2, 1);
        let text = "1 person, 2 epochs of 39 steps, 1 done; 1 234 567 trainable parameters";
        assert_eq!(started_text(&started), text);
        started.warm_up_steps = 20;
        assert!(started_text(&started).contains(", 20 of 78 steps of warm-up;"));
        started.warm_up_steps = 78;
        assert!(started_text(&started).contains("never reached"));
    }

    /// Fails when a large loss is shown with meaningless digits, or a small one as 0.
    #[test]
    fn losses_have_four_significant_digits() {
        let all = [9_476.577_15, 0.5, 0.000_437_12, 12.0, 0.0].map(figure);
        assert_eq!(all, ["9477", "0.5", "0.0004371", "12", "0"]);
    }

    /// Fails when a learning rate is not formatted in short scientific notation.
    #[test]
    fn learning_rates_are_formatted_in_short_form() {
        let all = [3e-4, 1e-3, 2.5e-4, 0.05, 0.0, 1.0, 4.718e10].map(short);
        assert_eq!(all, ["3e-4", "1e-3", "2.5e-4", "0.05", "0", "1", "4.72e10"]);
    }
}
