//! What is no reply and no request: other programs' answers, halves, and things of the wrong shape.

/// No provider means an answer by it.
pub const NO_REPLIES: [(&str, &[u8]); 14] = [
    ("nothing", b""),
    ("white space", b" \n"),
    ("bytes that are no text", b"\xff\xfe\x00\x80\xc3"),
    ("HTML", b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"),
    ("words", b"upstream connect error or disconnect/reset before headers"),
    ("half of an object", b"{\"id\": \"x\", \"text\": \"He se"),
    ("two objects", b"{}{}"),
    ("null", b"null"),
    ("a number", b"1e999"),
    ("a text", b"\"He sets the switches.\""),
    ("a list", b"[]"),
    ("an empty object", b"{}"),
    ("somebody else's object", b"{\"pointsman\": [1, {\"a\": null}], \"type\": 5, \"id\": {}}"),
    ("a list of lists of lists", &[b'['; 20_000]),
];

/// Of a reply whose status is no success: what a provider says, and what stands in front of one.
pub const ERROR_BODIES: [(&str, &[u8]); 9] = [
    ("nothing", b""),
    ("bytes that are no text", b"\xff\xfe\x00\x80\xc3"),
    ("HTML", b"<!doctype html><html><body><h1>Sorry</h1></body></html>"),
    ("half of an object", b"{\"error\": {\"mess"),
    ("null", b"null"),
    ("a list", b"[5, []]"),
    ("an empty object", b"{}"),
    (
        "an error of the wrong shape",
        b"{\"error\": {\"message\": {\"a\": 1}, \"type\": 5, \"code\": []}, \"message\": 7}",
    ),
    ("a list of lists of lists", &[b'['; 20_000]),
];

/// No caller means a request by it, whatever the protocol.
pub const NO_REQUESTS: [(&str, &[u8]); 9] = [
    ("nothing", b""),
    ("bytes that are no text", b"\xff\xfe\x00\x80\xc3"),
    ("words", b"hello"),
    ("half of an object", b"{\"model\": \"m\", \"me"),
    ("null", b"null"),
    ("a list", b"[]"),
    ("a text", b"\"hello\""),
    ("an empty object", b"{}"),
    ("a list of lists of lists", &[b'['; 20_000]),
];

/// JSON that is seldom what should stand in a place.
pub const ODD_VALUES: [&str; 10] = [
    "null",
    "true",
    "-1",
    "1.5",
    "1e300",
    "123456789012345678901234567890",
    "\"\\u0000 text\"",
    "[]",
    "{}",
    "[[[[[[[[{\"type\": 5, \"role\": [], \"text\": {}, \"content\": 7}]]]]]]]]",
];
