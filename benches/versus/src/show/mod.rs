//! What becomes of the figures.

pub mod json;
pub mod plot;
pub mod table;
pub mod targets;

/// With about three digits: `1.25`, `87.4`, `395`, `112 591 872`.
pub fn number(value: f64) -> String {
    match value.abs() {
        small if small < 1e4 && small.fract() == 0.0 => value.to_string(),
        big if big >= 9999.5 => thousands(value.round() as i64),
        big if big >= 100.0 => format!("{value:.0}"),
        big if big >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The same where there is no room: `1.25`, `87.4`, `395`, `113M`.
pub fn short(value: f64) -> String {
    match value.abs() {
        mega if mega >= 999.5e3 => format!("{}M", number(value / 1e6)),
        kilo if kilo >= 999.5 => format!("{}k", number(value / 1e3)),
        _ => number(value),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_three_digits() {
        let cases = [(0.0, "0"), (4.0, "4"), (0.567, "0.57"), (87.44, "87.4"), (395.2, "395"), (9999.4, "9999")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(112_591_872.3), "112 591 872");
        assert_eq!(number(9999.5), "10 000");
        assert_eq!(number(-12_345.0), "-12 345");
    }

    #[test]
    fn short_numbers_have_a_letter() {
        let cases = [(87.44, "87.4"), (999.0, "999"), (1500.0, "1.50k"), (105_239.0, "105k"), (112_591_872.0, "113M")];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }
}
