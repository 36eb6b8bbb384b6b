//! Extras that mean the same in several protocols, under names of their own: an adapter whose provider knows the thing
//! says it, whoever asks.

use crate::codec::chat::Extra;

/// From how many of the likeliest tokens the next one is drawn, if this extra says that.
pub fn top_k(protocol: &str, extra: &Extra) -> Option<u64> {
    let is_it = match protocol {
        "anthropic-messages" => extra.name == "top_k",
        "gemini" => extra.name == "generationConfig.topK",
        _ => false,
    };
    // Gemini's is a number of any kind.
    let count: f64 = extra.value.parse().ok().filter(|_| is_it)?;
    (count.fract() == 0.0 && (0.0..=1e9).contains(&count)).then_some(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_k_of_each_protocol() {
        let extra = |name: &str, value: &str| Extra { name: name.into(), value: value.into() };
        assert_eq!(top_k("anthropic-messages", &extra("top_k", "40")), Some(40));
        assert_eq!(top_k("gemini", &extra("generationConfig.topK", "40.0")), Some(40));
        assert_eq!(top_k("openai-chat", &extra("top_k", "40")), None);
        assert_eq!(top_k("gemini", &extra("generationConfig.mediaResolution", "1")), None);
        for odd in ["-1", "0.5", "1e300", "\"40\"", "NaN", "{}"] {
            assert_eq!(top_k("anthropic-messages", &extra("top_k", odd)), None, "{odd}");
        }
    }
}
