//! Values with a unit: `10s`, `1MiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time, written with its unit: `500ms`, `10s`, `1.5m`, `2h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// A number of bytes, written plain or with a binary unit: `65536`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// How many of something: a whole number from 1 to 4,294,967,295.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u32);

/// Whether or not: the word `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch(pub bool);

/// The unit of a setting that is a [`Switch`]; by it the flag is one that may stand alone.
pub const SWITCH: &str = "word: true or false";

/// A text is no [`Switch`]. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither true nor false")]
pub struct NoSwitch;

/// Why a text is no value with a unit. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A length of time without its unit.
    #[error("has no unit (ms, s, m, h or d)")]
    NoUnit,
    /// A length of time in something else.
    #[error("has a unit other than ms, s, m, h or d")]
    TimeUnit,
    /// A number of bytes in something else.
    #[error("has a unit other than B, KiB, MiB or GiB (1KiB is 1024 bytes)")]
    SizeUnit,
    /// No number before the unit.
    #[error("does not begin with a number")]
    Number,
    /// A fraction of a byte.
    #[error("is not a whole number")]
    Fraction,
    /// Too large to count.
    #[error("is too large")]
    TooLarge,
}

impl FromStr for Count {
    type Err = NoCount;

    fn from_str(text: &str) -> Result<Self, NoCount> {
        text.parse().ok().filter(|count| *count > 0).map(Self).ok_or(NoCount)
    }
}

/// A text is no [`Count`]. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a whole number from 1 to {}", u32::MAX)]
pub struct NoCount;

impl FromStr for Switch {
    type Err = NoSwitch;

    fn from_str(text: &str) -> Result<Self, NoSwitch> {
        text.trim().parse().map(Self).map_err(|_| NoSwitch)
    }
}

impl FromStr for Period {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (number, unit) = split(text)?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "" if number == "0" => 0.0,
            "" => return Err(Malformed::NoUnit),
            _ => return Err(Malformed::TimeUnit),
        };
        let number: f64 = number.parse().map_err(|_| Malformed::Number)?;
        let exact = Duration::try_from_secs_f64(number * seconds).map_err(|_| Malformed::TooLarge)?;
        // Whole microseconds: 0.001 has no exact binary form, and 10ms must be equal to 10ms.
        Ok(Self(Duration::from_micros(
            u64::try_from((exact + HALF_MICRO).as_micros()).map_err(|_| Malformed::TooLarge)?,
        )))
    }
}

impl FromStr for Size {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (number, unit) = split(text)?;
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(Malformed::SizeUnit),
        };
        if number.contains('.') {
            return Err(Malformed::Fraction);
        }
        let number: u64 = number.parse().map_err(|_| Malformed::TooLarge)?;
        number.checked_mul(factor).map(Self).ok_or(Malformed::TooLarge)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(factor, _)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((factor, unit)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Parts a text where its number ends.
fn split(text: &str) -> Result<(&str, &str), Malformed> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() { Err(Malformed::Number) } else { Ok((number, unit.trim_start())) }
}

const HALF_MICRO: Duration = Duration::from_nanos(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_whole_number_from_1() {
        assert_eq!("16".parse(), Ok(Count(16)));
        for text in ["0", "-1", "1.5", "many", "", "99999999999"] {
            assert_eq!(text.parse::<Count>(), Err(NoCount), "{text}");
        }
    }

    #[test]
    fn a_switch_is_true_or_false_and_nothing_like_it() {
        assert_eq!(["true", " false "].map(str::parse), [Ok(Switch(true)), Ok(Switch(false))]);
        for text in ["yes", "1", "TRUE", ""] {
            assert_eq!(text.parse::<Switch>(), Err(NoSwitch), "{text}");
        }
    }

    #[test]
    fn a_period_needs_its_unit() {
        let good = [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1.5h", 5_400_000),
            (" 1d ", 86_400_000),
            ("0", 0),
        ];
        for (text, millis) in good {
            assert_eq!(text.parse(), Ok(Period(Duration::from_millis(millis))), "{text}");
        }
        let bad = [
            ("10", Malformed::NoUnit),
            ("10 parsecs", Malformed::TimeUnit),
            ("s", Malformed::Number),
            ("", Malformed::Number),
            ("-1s", Malformed::Number),
            ("1.2.3s", Malformed::Number),
            ("99999999999999999999d", Malformed::TooLarge),
        ];
        for (text, why) in bad {
            assert_eq!(text.parse::<Period>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_size_is_plain_or_binary() {
        let good = [("65536", 65_536), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2GiB", 2 << 30), ("7B", 7)];
        for (text, bytes) in good {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        let bad = [
            ("1MB", Malformed::SizeUnit),
            ("1.5MiB", Malformed::Fraction),
            ("MiB", Malformed::Number),
            ("99999999999GiB", Malformed::TooLarge),
        ];
        for (text, why) in bad {
            assert_eq!(text.parse::<Size>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_as_it_would_be_written() {
        for text in ["1MiB", "64KiB", "65537", "0"] {
            assert_eq!(text.parse::<Size>().expect("well formed").to_string(), text);
        }
    }
}
