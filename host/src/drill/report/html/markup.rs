//! Markup whose only source of tags is this program: what is put into it is escaped by its type.

use std::fmt::{Display, Write as _};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

/// What can stand in a `{}`: markup as it is, all else as text.
pub trait Piece {
    fn put(&self, out: &mut String);
}

impl Piece for Html {
    fn put(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl<T: Display + ?Sized> Piece for T {
    fn put(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(Escaped(out), "{self}");
    }
}

/// Each `{}` of the template is one of the pieces.
pub fn html(template: &'static str, pieces: &[&dyn Piece]) -> Html {
    let mut out = Html::default();
    out.add(template, pieces);
    out
}

impl Html {
    pub fn add(&mut self, template: &'static str, pieces: &[&dyn Piece]) {
        let mut texts = template.split("{}");
        self.0.push_str(texts.next().unwrap_or_default());
        debug_assert_eq!(template.matches("{}").count(), pieces.len(), "{template}");
        for (text, piece) in texts.zip(pieces) {
            piece.put(&mut self.0);
            self.0.push_str(text);
        }
    }

    /// A file of ours, as it is.
    pub fn add_own(&mut self, text: &'static str) {
        self.0.push_str(text);
    }

    pub fn append(&mut self, other: &Html) {
        self.0.push_str(&other.0);
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<T: IntoIterator<Item = Html>>(parts: T) -> Html {
        parts.into_iter().fold(Html::default(), |mut all, part| {
            all.append(&part);
            all
        })
    }
}

/// For text and for attributes' values.
struct Escaped<'a>(&'a mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // HTML allows no other.
                control if control.is_control() && !matches!(control, '\n' | '\t') => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_text_unless_it_is_markup_already() {
        let evil = "<script>\"it's\" & more\u{1b}</script>";
        let inner = html("<b title=\"{}\">{}</b>", &[&evil, &7]);
        let escaped = "&lt;script&gt;&quot;it&#39;s&quot; &amp; more\u{fffd}&lt;/script&gt;";
        let expected = format!("<p><b title=\"{escaped}\">7</b></p>");
        assert_eq!(html("<p>{}</p>", &[&inner]).into_string(), expected);
        // What looks like a place for another piece is not one.
        assert_eq!(html("{}-{}", &[&"{}", &"x"]).into_string(), "{}-x");
    }
}
