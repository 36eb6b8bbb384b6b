//! Images, documents, video and audio.

use super::*;

fn bytes(kind: MediaKind, mime: &str, title: Option<&str>) -> Media {
    Media { title: title.map(str::to_owned), ..media(kind, mime, Source::Bytes(vec![1, 2, 3])) }
}

fn content(parts: Vec<Part>) -> Value {
    said(vec![user(parts)])[0]["content"].clone()
}

#[test]
fn media_are_bytes_with_a_format() {
    let source = json!({ "bytes": "AQID" });
    for (kind, mime, name, format) in [
        (MediaKind::Image, "image/png", "image", "png"),
        (MediaKind::Image, "image/jpg", "image", "jpeg"),
        (MediaKind::Video, "video/mp4", "video", "mp4"),
        (MediaKind::Audio, "audio/mpeg", "audio", "mp3"),
    ] {
        let blocks = content(vec![Part::Media(bytes(kind, mime, None))]);
        assert_eq!(blocks, json!([{ name: { "format": format, "source": source } }]));
    }
}

#[test]
fn documents_have_names_of_their_own_and_a_text_beside_them() {
    let document = |mime: &str, title| Part::Media(bytes(MediaKind::Document, mime, title));
    let blocks = content(vec![
        document("application/pdf", Some("Report:  (2026)_v2.pdf")),
        document("text/x-rust", Some("Report (2026) v2 pdf")),
        document("text/csv", None),
        document("text/markdown", Some("日本")),
    ]);
    let named = |i: usize| (blocks[i]["document"]["name"].clone(), blocks[i]["document"]["format"].clone());
    assert_eq!(named(0), (json!("Report (2026) v2 pdf"), json!("pdf")));
    assert_eq!(named(1), (json!("Report (2026) v2 pdf 2"), json!("txt")));
    assert_eq!(named(2), (json!("document"), json!("csv")));
    assert_eq!(named(3), (json!("document 2"), json!("md")));
    assert_eq!(blocks[4], json!({ "text": "(See the document.)" }));
    let beside = content(vec![text("what?"), document("application/pdf", None)]);
    assert_eq!(beside.as_array().unwrap().len(), 2);
    let long = "x".repeat(300);
    let blocks = content(vec![document("application/pdf", Some(&long)), document("application/pdf", Some(&long))]);
    let length = |i: usize| blocks[i]["document"]["name"].as_str().unwrap().len();
    assert_eq!((length(0), length(1)), (200, 200));
}

#[test]
fn results_hold_images_and_documents() {
    let parts = vec![
        result_text("here"),
        ResultPart::Media(bytes(MediaKind::Image, "image/webp", None)),
        ResultPart::Media(bytes(MediaKind::Document, "application/pdf", None)),
    ];
    let blocks = content(vec![result("c", parts)]);
    let inner = &blocks[0]["toolResult"]["content"];
    assert_eq!(inner[1]["image"]["format"], "webp");
    assert_eq!(inner[2]["document"]["name"], "document");
    let audio = ResultPart::Media(bytes(MediaKind::Audio, "audio/wav", None));
    let messages = vec![user(vec![result("c", vec![audio])])];
    assert_eq!(refused(Request { messages, ..ask("") }, no_facts()), "messages[0].content[0].content[0]");
}

#[test]
fn the_rest_is_refused() {
    for (part, role) in [
        (media(MediaKind::Image, "image/png", Source::Url("https://x/y.png".into())), Role::User),
        (media(MediaKind::Document, "", Source::FileId("f".into())), Role::User),
        (bytes(MediaKind::Image, "image/tiff", None), Role::User),
        (bytes(MediaKind::Image, "", None), Role::User),
        (bytes(MediaKind::Document, "application/zip", None), Role::User),
        (bytes(MediaKind::Image, "image/png", None), Role::Assistant),
    ] {
        let messages = vec![user(vec![text("a")]), message(role, vec![Part::Media(part)])];
        assert_eq!(refused(Request { messages, ..ask("") }, no_facts()), "messages[1].content[0]");
    }
}
