//! Fuzzy matching of commands.

/// Scores how well `query` matches `title`, higher is better; `None` if its letters do not all
/// occur in this order. Letters at word starts and consecutive letters score higher.
pub fn fit(title: &str, query: &str) -> Option<i32> {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (title, query) = (lower(title), lower(query));
    let query: Vec<char> = query.into_iter().filter(|c| !c.is_whitespace()).collect();
    let Some(&first) = query.first() else {
        return Some(0);
    };
    // The first letter may occur at several positions: the best one counts.
    let starts = (0..title.len()).filter(|&i| title[i] == first);
    starts
        .filter_map(|start| fit_from(&title, &query, start))
        .max()
}

/// [`fit`] with the first letter at `start` and each further letter at its next occurrence.
fn fit_from(title: &[char], query: &[char], start: usize) -> Option<i32> {
    let (mut score, mut at, mut last) = (0, start, None);
    for &letter in query {
        let found = at + title[at..].iter().position(|&c| c == letter)?;
        let is_begin = found == 0 || !title[found - 1].is_alphanumeric();
        let is_run = last.is_some_and(|last| last + 1 == found);
        score += 1 + 8 * i32::from(is_begin) + 4 * i32::from(is_run) - (found - at).min(8) as i32;
        // The start of the title scores highest, because users type titles from the start.
        score += 8 * i32::from(found == 0);
        (last, at) = (Some(found), found + 1);
    }
    Some(score)
}

/// [`fit`] for a synonym of a command, which must match from its start: scattered letters of words
/// that are not displayed would give inexplicable matches.
pub fn fit_word(word: &str, query: &str) -> Option<i32> {
    let query = query.trim().to_lowercase();
    let is_begin = !query.is_empty() && word.starts_with(&query);
    is_begin.then(|| fit(word, &query)).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::fixed::fixed;
    use super::*;

    /// Fails when a few letters of a command do not find it, or rank another one first.
    #[test]
    fn letters_at_word_starts_find_a_command() {
        assert_eq!(fit("Save a snapshot", "xyz"), None);
        assert_eq!(fit("Keys", "syek"), None);
        assert!(fit("Save a snapshot", "snap") > fit("Show all joints", "sa"));
        for (query, wanted) in [
            ("snap", "Save a snapshot"),
            ("full", "Full screen"),
            ("opfi", "Open a file…"),
        ] {
            let best = fixed()
                .into_iter()
                .max_by_key(|(_, title, ..)| fit(title, query))
                .unwrap();
            assert_eq!(best.1, wanted, "{query}");
        }
    }
}
