//! Date stamps for file names and manifests.

use std::time::{SystemTime, UNIX_EPOCH};

/// Formats a time in UTC as `2026-03-01_14-05-59.250`, for names that sort by age and do not
/// collide.
pub fn stamp(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, secs) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Civil date from days (H. Hinnant, "chrono-compatible low-level date algorithms"): years
    // begin in March, eras have 400 years = 146097 days; 719468 days lie before 1970.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}_{:02}-{:02}-{:02}.{:03}",
        secs / 3600,
        secs / 60 % 60,
        secs % 60,
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Fails when recordings get a wrong date, especially around leap days and new year.
    #[test]
    fn stamps_are_dates() {
        let at = |secs| stamp(UNIX_EPOCH + Duration::from_secs(secs));
        assert_eq!(at(0), "1970-01-01_00-00-00.000");
        assert_eq!(at(951_782_399), "2000-02-28_23-59-59.000");
        assert_eq!(at(951_782_400), "2000-02-29_00-00-00.000");
        assert_eq!(at(1_767_225_599), "2025-12-31_23-59-59.000");
        assert_eq!(at(1_772_374_000), "2026-03-01_14-06-40.000");
    }
}
