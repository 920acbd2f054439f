//! How pages look: one frame, filled with parts. Everything that comes from elsewhere is escaped.

use super::answer::STYLE;

/// The frame of all pages; `{name}` is filled in.
const FRAME: &str = include_str!("frame.html");
/// The form that makes the first account.
const FORM: &str = include_str!("form.html");
/// How a mail program is set up.
const PROGRAM: &str = include_str!("program.html");

/// A text that is HTML already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// A text in which nothing is HTML.
    pub(super) fn text(text: &str) -> Html {
        let mut html = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                c => html.push(c),
            }
        }
        Html(html)
    }

    /// One of our own templates, with its names filled in.
    pub(super) fn fill(template: &'static str, parts: &[(&str, Html)]) -> Html {
        let mut html = String::with_capacity(template.len() * 2);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            html.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            if let Some((_, Html(part))) = parts.iter().find(|(known, _)| *known == name) {
                html.push_str(part);
            }
            rest = after;
        }
        html.push_str(rest);
        Html(html)
    }

    pub(super) fn join(parts: impl IntoIterator<Item = Html>) -> Html {
        Html(parts.into_iter().map(|Html(part)| part).collect())
    }
}

/// A whole page.
pub(super) fn page(title: &str, content: impl IntoIterator<Item = Html>) -> String {
    let parts = [
        ("title", Html::text(title)),
        // Ours, and its hash is in the page's policy: not a character of it may change.
        ("style", Html(STYLE.to_owned())),
        ("content", Html::join(content)),
    ];
    Html::fill(FRAME, &parts).0
}

/// Where a mail program sends by.
const SENDING: &str = "<dt>Sending</dt><dd>port {tls}, TLS (or {starttls}, STARTTLS), server and user the same</dd>\n";

/// A paragraph.
pub(super) fn paragraph(text: &str) -> Html {
    Html::fill("<p>{text}</p>\n", &[("text", Html::text(text))])
}

/// A paragraph that stands out.
pub(super) fn notice(text: &str) -> Html {
    Html::fill("<p class=\"notice\" role=\"status\">{text}</p>\n", &[("text", Html::text(text))])
}

/// A way on.
pub(super) fn button(to: &str, text: &str) -> Html {
    let parts = [("to", Html::text(to)), ("text", Html::text(text))];
    Html::fill("<p><a class=\"button\" href=\"{to}\">{text}</a></p>\n", &parts)
}

/// The form, with what was entered already.
pub(super) fn form(domain: &str, name: &str, quota: &str) -> Html {
    let parts = [("domain", Html::text(domain)), ("name", Html::text(name)), ("quota", Html::text(quota))];
    Html::fill(FORM, &parts)
}

/// How a mail program is set up for `user` on `server`.
pub(super) fn program(
    server: &str,
    [imap, imaps, pop3, pop3s]: [u16; 4],
    submission: Option<[u16; 2]>,
    user: &str,
    trust: Html,
) -> Html {
    let port = |port: u16| Html::text(&port.to_string());
    let sending = submission.map_or_else(
        || Html::text(""),
        |[starttls, tls]| Html::fill(SENDING, &[("starttls", port(starttls)), ("tls", port(tls))]),
    );
    let parts = [
        ("server", Html::text(server)),
        ("imap", port(imap)),
        ("imaps", port(imaps)),
        ("pop3", port(pop3)),
        ("pop3s", port(pop3s)),
        ("sending", sending),
        ("user", Html::text(user)),
        ("trust", trust),
    ];
    Html::fill(PROGRAM, &parts)
}

/// What to compare a certificate with; `ours`: it is under an authority of our own making.
pub(super) fn trust(ours: bool, fingerprint: &str) -> Html {
    let fingerprint = [("fingerprint", Html::text(fingerprint))];
    if ours {
        Html::fill(
            "<p>If the program does not trust the certificate, install <a href=\"/ca.pem\">this box&rsquo;s own \
             authority</a> as a trusted one, once. Its SHA-256 fingerprint:</p>\n<p class=\"fingerprint\">{fingerprint}</p>\n",
            &fingerprint,
        )
    } else {
        Html::fill(
            "<p>The certificate&rsquo;s SHA-256 fingerprint:</p>\n<p class=\"fingerprint\">{fingerprint}</p>\n",
            &fingerprint,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_typed_becomes_html() {
        let form = form("box.local", "\"><script>alert('1')</script>{domain}", "1G & more").0;
        assert!(!form.contains("<script") && form.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)"));
        assert!(form.contains("{domain}\""), "what is filled in is not filled again: {form}");
        assert!(form.contains("1G &amp; more"));
    }

    #[test]
    fn every_name_in_the_templates_is_filled() {
        let content = [form("d", "n", "q"), program("s", [1, 2, 3, 4], Some([5, 6]), "u", trust(true, "AA:BB"))];
        let page = page("t", content);
        let (head, body) = page.split_once(STYLE).unwrap();
        assert!(!head.contains('{') && !body.contains('{'), "{page}");
        for word in ["<title>t", "value=\"n\"", "value=\"q\"", ">s<", ">2<", "is 4.", "port 6,", ">u<", "AA:BB"] {
            assert!(page.contains(word), "{word}: {page}");
        }
    }
}
