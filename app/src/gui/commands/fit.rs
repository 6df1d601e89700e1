//! Matching of commands with the words of a query.

/// Scores of a word: it is a word of the title, a synonym, their beginning, or a part of a word.
pub(super) const WHOLE: i32 = 300;
pub(super) const SYNONYM: i32 = 250;
pub(super) const BEGINNING: i32 = 200;
pub(super) const SYNONYM_BEGINNING: i32 = 150;
const ABBREVIATION: i32 = 120;
const INSIDE: i32 = 100;
/// Deduction for words of names that the user gave, such as those of files: commands come first.
const OF_NAME: i32 = 60;
/// Minimum number of letters that match inside a word.
const N_INSIDE: usize = 3;

/// Splits a text into lower-case words.
pub(super) fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

/// Scores how well a word of the query matches the words of a title, higher is better; `None` if it
/// does not. Earlier words of the title score slightly higher.
pub(super) fn fit_title(title: &[String], word: &str) -> Option<i32> {
    let fits = title.iter().enumerate().filter_map(|(i, part)| {
        let score = if part == word {
            WHOLE
        } else if part.starts_with(word) {
            BEGINNING
        } else if word.chars().count() >= N_INSIDE && part.contains(word) {
            INSIDE
        } else {
            return None;
        };
        Some(score + 8_i32.saturating_sub(i as i32).max(0))
    });
    fits.max()
}

/// [`fit_title`] for names that the user gave. Parts of words do not count: in a long path, almost
/// any letters would match.
pub(super) fn fit_name(name: &[String], word: &str) -> Option<i32> {
    let score = fit_title(name, word).filter(|score| *score >= BEGINNING)?;
    Some(score - OF_NAME)
}

/// Scores how well a word of the query matches a synonym, also in the plural.
pub(super) fn fit_synonym(synonym: &str, word: &str) -> Option<i32> {
    let singular = word.strip_suffix('s').filter(|rest| rest.len() >= N_INSIDE);
    if synonym == word || singular == Some(synonym) {
        Some(SYNONYM)
    } else {
        synonym.starts_with(word).then_some(SYNONYM_BEGINNING)
    }
}

/// Scores an abbreviation such as `opfi` for `Open a file`: each letter begins a word of the title
/// or follows the letter before it.
pub(super) fn fit_abbreviation(title: &[String], letters: &str) -> Option<i32> {
    let text: Vec<(bool, char)> = title
        .iter()
        .flat_map(|word| word.chars().enumerate().map(|(i, c)| (i == 0, c)))
        .collect();
    // Positions at which the letters so far can end.
    let mut ends: Option<Vec<usize>> = None;
    for letter in letters.chars() {
        let follows = |at: usize, is_begin: bool| match &ends {
            None => is_begin,
            Some(ends) => ends
                .iter()
                .any(|end| end + 1 == at || (is_begin && *end < at)),
        };
        let places = text.iter().enumerate();
        let next: Vec<_> = places
            .filter(|(at, (is_begin, c))| *c == letter && follows(*at, *is_begin))
            .map(|(at, _)| at)
            .collect();
        if next.is_empty() {
            return None;
        }
        ends = Some(next);
    }
    ends.map(|_| ABBREVIATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when scattered letters match, or a part of a word ranks before its beginning, or that
    /// before the whole word.
    #[test]
    fn whole_words_come_before_beginnings_and_parts() {
        let fit = |title: &str, word: &str| fit_title(&words(title), word);
        let whole = fit("Mirror the camera", "mirror");
        let beginning = fit("Mirrored images", "mirror");
        let inside = fit("Overlay heatmap", "map");
        assert!(whole > beginning && beginning > inside && inside.is_some());
        assert_eq!(fit("Change the training label", "angle"), None);
        assert_eq!(fit("Keys", "syek"), None);
        let fit = |name: &str, word: &str| fit_name(&words(name), word);
        assert_eq!(fit("clip.mp4   in /home/anna/rectangles", "angle"), None);
        assert_eq!(fit("clip.mp4   in /home/anna/g/label", "angle"), None);
        assert!(fit("angle_7.mp4", "angle").is_some_and(|score| score < SYNONYM));
    }

    /// Fails when the first letters of a title's words do not find it, or letters in between do.
    #[test]
    fn abbreviations_use_the_beginnings_of_words() {
        let fit = |letters: &str| fit_abbreviation(&words("Open a file…"), letters);
        assert!(fit("opfi").is_some() && fit("oaf").is_some());
        assert_eq!(fit("opil"), None);
        assert_eq!(fit("pen"), None);
    }

    /// Fails when the plural of a synonym finds nothing.
    #[test]
    fn synonyms_match_their_plural_and_beginning() {
        assert_eq!(fit_synonym("angle", "angles"), Some(SYNONYM));
        assert_eq!(fit_synonym("angle", "ang"), Some(SYNONYM_BEGINNING));
        assert_eq!(fit_synonym("angle", "gle"), None);
    }
}
