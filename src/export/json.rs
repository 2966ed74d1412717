//! JSON that does no harm where it is shown. JSON itself asks only that characters below U+0020 are escaped inside a string, but
//! DEL and U+0080 to U+009F steer a terminal too (U+009B begins an escape sequence), and an export may be read with `cat`.
//! Written as `\u009b` they read back the same, in every reader, so files and terminals get the same bytes.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::borrow::Cow;
use std::io::{self, Write};

/// `value` on one line, every control character in it escaped.
pub fn write_json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, Harmless);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        writer.write_all(escape_controls(fragment).as_bytes())
    }
}

/// JSON text with the control characters inside its strings escaped; line breaks between values stay.
pub fn escape_controls(json: &str) -> Cow<'_, str> {
    let raw = |c: char| c.is_control() && c != '\n';
    if !json.contains(raw) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if raw(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_for_a_terminal_reads_back_the_same() {
        let text = "a\u{9b}31m\u{7f}\u{1b}\u{85}é\n\"\\東";
        let pretty = serde_json::to_string_pretty(&vec![text]).unwrap();
        let mut line = Vec::new();
        write_json(&vec![text], &mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(!line.contains('\n'));
        for shown in [line.as_str(), &escape_controls(&pretty)] {
            assert!(
                !shown.contains(|c: char| c.is_control() && c != '\n'),
                "{shown:?}"
            );
            assert_eq!(serde_json::from_str::<Vec<String>>(shown).unwrap(), [text]);
        }
    }
}
