//! The glyphs of labels: our own stroke font on a grid 5 wide and 9 high.
//!
//! A glyph is a list of pen strokes. A point is two digits, column then row; `/` lifts the pen; a
//! stroke of one point is a dot. Capitals stand on row 6 and reach up to row 0, lower-case letters
//! reach up to row 2, descenders reach down to row 8.

/// Strokes of the characters from space (32) to tilde (126), then of the degree sign.
pub(crate) const GLYPHS: [&str; 96] = [
    "",
    "00 04/06",
    "00 02/20 22",
    "10 16/30 36/02 42/04 44",
    "41 11 02 13 33 44 35 05/20 26",
    "06 40/00 10 11 01 00/35 45 46 36 35",
    "46 12 11 20 31 32 04 05 16 26 44",
    "00 02",
    "20 02 04 26",
    "00 22 24 06",
    "21 25/02 44/04 42",
    "21 25/03 43",
    "16 17 08",
    "03 33",
    "06",
    "06 30",
    "10 30 42 44 36 16 04 02 10",
    "11 20 26/16 36",
    "01 10 30 41 42 06 46",
    "01 10 30 41 42 33 13/33 44 45 36 16 05",
    "36 30 04 44",
    "40 00 02 32 43 45 36 16 05",
    "41 30 10 01 05 16 36 45 44 33 13 04",
    "00 40 16",
    "10 30 41 42 33 13 02 01 10/13 04 05 16 36 45 44 33",
    "05 16 36 45 41 30 10 01 02 13 33 42",
    "03/06",
    "13/16 17 08",
    "31 03 35",
    "02 32/04 34",
    "01 33 05",
    "01 10 30 41 42 24/26",
    "46 16 05 01 10 30 41 44 24 22 42",
    "06 02 20 42 46/04 44",
    "06 00 30 41 42 33 03/33 44 45 36 06",
    "41 30 10 01 05 16 36 45",
    "06 00 20 42 44 26 06",
    "40 00 06 46/03 33",
    "40 00 06/03 33",
    "41 30 10 01 05 16 36 45 43 23",
    "00 06/40 46/03 43",
    "00 20/10 16/06 26",
    "40 45 36 16 05 04",
    "00 06/40 04/22 46",
    "00 06 46",
    "06 00 23 40 46",
    "06 00 46 40",
    "10 30 41 45 36 16 05 01 10",
    "06 00 30 41 42 33 03",
    "10 30 41 45 36 16 05 01 10/24 46",
    "06 00 30 41 42 33 03/23 46",
    "41 30 10 01 02 13 33 44 45 36 16 05",
    "00 40/20 26",
    "00 05 16 36 45 40",
    "00 26 40",
    "00 16 23 36 40",
    "00 46/40 06",
    "00 23 40/23 26",
    "00 40 06 46",
    "20 00 06 26",
    "00 36",
    "00 20 26 06",
    "02 20 42",
    "07 47",
    "00 11",
    "12 32 43 46 16 05 14 44",
    "00 06 36 45 43 32 02",
    "43 32 12 03 05 16 36 45",
    "40 46 16 05 03 12 42",
    "04 44 43 32 12 03 05 16 36 45",
    "30 20 11 16/02 22",
    "46 16 05 03 12 42 47 38 18 07",
    "00 06/03 12 32 43 46",
    "00/02 06",
    "10/12 17 08",
    "00 06/32 04 36",
    "00 05 16",
    "06 02/03 12 23 26/23 32 43 46",
    "02 06/03 12 32 43 46",
    "12 32 43 45 36 16 05 03 12",
    "08 02 32 43 45 36 06",
    "48 42 12 03 05 16 46",
    "02 06/03 12 32",
    "42 12 03 14 34 45 36 06",
    "10 15 26 36/02 32",
    "02 05 16 46/42 46",
    "02 26 42",
    "02 16 24 36 42",
    "02 46/42 06",
    "02 26/42 18 08",
    "02 42 06 46",
    "20 11 12 03 14 15 26",
    "00 07",
    "00 11 12 23 14 15 06",
    "04 13 34 43",
    "10 20 31 32 23 13 02 01 10",
];

/// Returns the strokes of `c`; characters missing from the font become a question mark.
pub(crate) fn glyph(c: char) -> &'static str {
    let index = match c {
        '\u{b0}' => GLYPHS.len() - 1,
        ' '..='~' => c as usize - 32,
        _ => '?' as usize - 32,
    };
    GLYPHS[index]
}

/// Returns the columns from a glyph's first to its last pen position.
pub(crate) fn columns(glyph: &str) -> usize {
    if glyph.is_empty() {
        return 1;
    }
    points(glyph).map(|[x, _]| x).max().unwrap_or(0)
}

/// Returns the pen positions of one or more strokes.
pub(crate) fn points(strokes: &str) -> impl Iterator<Item = [usize; 2]> {
    strokes.split([' ', '/']).filter_map(|point| {
        let [x, y] = *point.as_bytes() else {
            return None;
        };
        Some([usize::from(x - b'0'), usize::from(y - b'0')])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a typing error makes a letter vanish, leave its cell or equal another one.
    #[test]
    fn every_glyph_is_well_formed_and_unlike_the_others() {
        for (i, glyph) in GLYPHS.iter().enumerate() {
            let c = (i as u8 + 32) as char;
            let n = glyph.split([' ', '/']).filter(|p| !p.is_empty()).count();
            assert_eq!(points(glyph).count(), n, "{c}");
            assert!(points(glyph).all(|[x, y]| x <= 4 && y <= 8), "{c}");
            assert_eq!(glyph.is_empty(), c == ' ');
            assert!(GLYPHS[..i].iter().all(|other| other != glyph), "{c}");
        }
    }
}
