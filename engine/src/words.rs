//! Words of messages: counts (`1 frame`, `3 frames`, `1 person`, `2 people`) and names of joints.

use std::fmt::Display;

/// Nouns whose plural is not formed by rule.
const IRREGULAR: &[(&str, &str)] = &[("person", "people"), ("epoch", "epochs")];

/// Formats a count of `noun`, which is given in the singular; only its last word is inflected.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    format!("{n} {}", of_count(n, noun))
}

/// Formats a count with its verb: `1 frame is`, `3 frames are`.
pub fn are<N: Copy + Display + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    let verb = if n == N::from(1) { "is" } else { "are" };
    format!("{} {verb}", counted(n, noun))
}

/// Formats a count with its verb: `1 frame was`, `3 frames were`.
pub fn were<N: Copy + Display + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    let verb = if n == N::from(1) { "was" } else { "were" };
    format!("{} {verb}", counted(n, noun))
}

/// Begins a sentence about a count of which nothing is left: `none of the 3 boxes`, `no box (1 in
/// all)`.
pub fn none_of<N: Copy + Display + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    if n == N::from(1) {
        format!("no {noun} (1 in all)")
    } else {
        format!("none of the {}", counted(n, noun))
    }
}

/// Returns the form of `noun` that follows the number `n`.
pub fn of_count<N: Copy + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    if n == N::from(1) {
        noun.to_owned()
    } else {
        plural(noun)
    }
}

/// Returns the name of a joint in words: `l_big_toe` -> `left big toe`.
pub fn joint_words(joint: &str) -> String {
    let text = match joint.split_once('_') {
        Some(("l", rest)) => format!("left {rest}"),
        Some(("r", rest)) => format!("right {rest}"),
        _ => joint.to_owned(),
    };
    text.replace('_', " ")
}

/// Returns the name of a joint in streams to other programs: `l_big_toe` -> `left_big_toe`.
pub fn joint_in_full(joint: &str) -> String {
    joint_words(joint).replace(' ', "_")
}

fn plural(noun: &str) -> String {
    let irregular = IRREGULAR.iter().find_map(|(one, many)| {
        let before = noun.strip_suffix(one)?;
        Some(format!("{before}{many}"))
    });
    if let Some(irregular) = irregular {
        return irregular;
    }
    let ends_in = |ends: &[&str]| ends.iter().any(|end| noun.ends_with(end));
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if ends_in(&["s", "x", "z", "ch", "sh"]) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a message says "1 frames" or "2 persons".
    #[test]
    fn counts_agree_with_their_nouns() {
        for (n, noun, text) in [
            (0_u64, "frame", "0 frames"),
            (1, "frame", "1 frame"),
            (2, "key frame", "2 key frames"),
            (1, "labelled person", "1 labelled person"),
            (3, "labelled person", "3 labelled people"),
            (2, "box", "2 boxes"),
            (2, "epoch", "2 epochs"),
            (2, "category", "2 categories"),
            (2, "key", "2 keys"),
        ] {
            assert_eq!(counted(n, noun), text);
        }
        assert_eq!(are(1_usize, "image"), "1 image is");
        assert_eq!(none_of(1_u32, "box"), "no box (1 in all)");
        assert_eq!(none_of(2_u32, "box"), "none of the 2 boxes");
        assert_eq!(were(2_u32, "image"), "2 images were");
    }

    /// Fails when a message has the name of a joint in files.
    #[test]
    fn joints_have_words() {
        for (joint, words) in [
            ("l_wrist", "left wrist"),
            ("r_big_toe", "right big toe"),
            ("upper_neck", "upper neck"),
            ("nose", "nose"),
        ] {
            assert_eq!(joint_words(joint), words);
            assert_eq!(joint_in_full(joint), words.replace(' ', "_"));
        }
    }
}
