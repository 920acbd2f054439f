//! A reader of responses, written from the grammar alone.

/// A parenthesised thing of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Nil,
    Number(u64),
    Atom(String),
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    /// All of the bytes as one value. Panics where they are none.
    pub fn read(bytes: &[u8]) -> Value {
        let mut rest = bytes;
        let value = Value::next(&mut rest);
        assert!(rest.is_empty(), "something follows: {}", String::from_utf8_lossy(rest));
        value
    }

    pub fn list(&self) -> &[Value] {
        if let Value::List(values) = self { values } else { panic!("no list: {self:?}") }
    }

    pub fn text(&self) -> &[u8] {
        if let Value::Text(text) = self { text } else { panic!("no string: {self:?}") }
    }

    fn next(rest: &mut &[u8]) -> Value {
        match rest.first().copied() {
            Some(b'(') => Value::List(Value::list_of(rest)),
            Some(b'"') => Value::Text(Value::quoted(rest)),
            Some(b'{') => Value::Text(Value::literal(rest)),
            Some(_) => Value::word(rest),
            None => panic!("the value is missing"),
        }
    }

    fn list_of(rest: &mut &[u8]) -> Vec<Value> {
        let mut values = Vec::new();
        *rest = &rest[1..];
        loop {
            match rest.first() {
                Some(b')') => {
                    *rest = &rest[1..];
                    return values;
                }
                // Bodies of a multipart and addresses stand side by side without a space.
                Some(b' ') if !values.is_empty() => *rest = &rest[1..],
                Some(b'(') => {}
                _ => assert!(values.is_empty(), "a space is missing"),
            }
            values.push(Value::next(rest));
        }
    }

    fn quoted(rest: &mut &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut bytes = rest[1..].iter();
        loop {
            match bytes.next() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let escaped = bytes.next().copied();
                    assert!(matches!(escaped, Some(b'"' | b'\\')), "{escaped:?}");
                    text.extend(escaped);
                }
                Some(b'\r' | b'\n' | 0) | None => panic!("the string does not end"),
                Some(byte) => text.push(*byte),
            }
        }
        *rest = bytes.as_slice();
        text
    }

    fn literal(rest: &mut &[u8]) -> Vec<u8> {
        let end = rest.iter().position(|&byte| byte == b'}').unwrap();
        let size: usize = std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
        assert_eq!(&rest[end + 1..end + 3], b"\r\n");
        let (text, after) = rest[end + 3..].split_at(size);
        assert!(!text.contains(&0), "NUL in a literal");
        *rest = after;
        text.to_vec()
    }

    fn word(rest: &mut &[u8]) -> Value {
        let end = rest.iter().position(|&byte| matches!(byte, b' ' | b'(' | b')' | b'"')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let word = std::str::from_utf8(word).unwrap();
        assert!(!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()), "{word:?}");
        *rest = after;
        match word {
            "NIL" => Value::Nil,
            word => word.parse().map_or_else(|_| Value::Atom(word.into()), Value::Number),
        }
    }
}
