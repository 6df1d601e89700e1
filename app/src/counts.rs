//! Counts with their noun, in the singular or plural.

/// Formats a count: `1 frame`, `3 frames`, `1 person`, `2 people`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{n} {}", plural(n, noun))
}

/// Formats a count like [`counted`], with grouped digits: `1 234 people`.
pub fn grouped_count(n: u64, noun: &str) -> String {
    format!("{} {}", grouped(n), plural(n, noun))
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

fn plural(n: u64, noun: &str) -> String {
    match noun {
        _ if n == 1 => noun.to_owned(),
        "person" => "people".to_owned(),
        noun => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a single thing is named in the plural, or several in the singular.
    #[test]
    fn counts_agree_with_their_noun() {
        let all = [0, 1, 2].map(|n| counted(n, "frame"));
        assert_eq!(all, ["0 frames", "1 frame", "2 frames"]);
        let all = [1, 1234].map(|n| grouped_count(n, "person"));
        assert_eq!(all, ["1 person", "1 234 people"]);
    }
}
