//! Lines of a stream, whole and of bounded length.

use std::io::{BufRead, Read};

/// A longer line is an error of its own; the lines after it are read.
pub const MAX_LINE: u64 = 8 << 20;

/// `None` at the end of input; an error text for a line beyond the limit, of which the rest is skipped.
pub fn next_line(input: &mut dyn BufRead) -> std::io::Result<Option<Result<Vec<u8>, String>>> {
    let mut line = Vec::new();
    if input.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let whole = line.last() == Some(&b'\n');
    if !whole && line.len() as u64 == MAX_LINE {
        loop {
            let buffer = input.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let end = buffer.iter().position(|b| *b == b'\n');
            let n = end.map_or(buffer.len(), |i| i + 1);
            input.consume(n);
            if end.is_some() {
                break;
            }
        }
        return Ok(Some(Err(format!(
            "expected a line of at most {MAX_LINE} bytes, found a longer one"
        ))));
    }
    while line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(Ok(line)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn lines_come_whole_and_a_monstrous_one_is_one_error() {
        let mut text = b"one\r\n\ntwo\n".to_vec();
        text.extend(vec![b'x'; MAX_LINE as usize + 5]);
        text.extend(b"\nlast");
        let mut input = BufReader::new(&text[..]);
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).unwrap() {
            lines.push(line.map(|l| String::from_utf8(l).unwrap()).map_err(|_| ()));
        }
        let ok = |s: &str| Ok(s.to_owned());
        assert_eq!(lines, [ok("one"), ok(""), ok("two"), Err(()), ok("last")]);
    }
}
