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

/// That something went well.
pub(super) fn good(text: &str) -> Html {
    Html::fill("<p class=\"notice good\" role=\"status\"><span>{text}</span></p>\n", &[("text", Html::text(text))])
}

/// That something is not as it should be; a field of the form that it is about points here.
pub(super) fn bad(text: &str) -> Html {
    Html::fill("<p class=\"notice\" id=\"why\" role=\"alert\"><span>{text}</span></p>\n", &[("text", Html::text(text))])
}

/// A way on.
pub(super) fn button(to: &str, text: &str) -> Html {
    let parts = [("to", Html::text(to)), ("text", Html::text(text))];
    Html::fill("<p><a class=\"button\" href=\"{to}\">{text}</a></p>\n", &parts)
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Code,
    Name,
    Password,
    Again,
    Quota,
}

/// The form, with what was entered already, and which of it was wrong: that one is where the browser begins.
pub(super) fn form(domain: &str, name: &str, quota: &str, wrong: Option<Entry>) -> Html {
    const WRONG: &str = " aria-invalid=\"true\" aria-describedby=\"why\" autofocus";
    let told = |entry| Html(if wrong == Some(entry) { WRONG } else { "" }.to_owned());
    let parts = [
        ("domain", Html::text(domain)),
        ("entered-name", Html::text(name)),
        ("entered-quota", Html::text(quota)),
        ("code", told(Entry::Code)),
        ("name", told(Entry::Name)),
        ("password", told(Entry::Password)),
        ("again", told(Entry::Again)),
        ("quota", told(Entry::Quota)),
    ];
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

/// What to compare a certificate with: the fingerprint of the one that programs are shown, and that of our own authority,
/// where it is by one.
pub(super) fn trust(certificate: &str, authority: Option<&str>) -> Html {
    let parts = [("certificate", Html::text(certificate)), ("authority", Html::text(authority.unwrap_or_default()))];
    let ours = "<p>Or install <a href=\"/ca.pem\">this box&rsquo;s own authority</a> as a trusted one, once: it also covers \
                renewals. The authority&rsquo;s SHA-256 fingerprint:</p>\n<p class=\"fingerprint\">{authority}</p>\n";
    let shown = "<p>If the program asks about the certificate, compare the certificate&rsquo;s SHA-256 \
                 fingerprint:</p>\n<p class=\"fingerprint\">{certificate}</p>\n";
    let ours = if authority.is_some() { Html::fill(ours, &parts) } else { Html::text("") };
    Html::join([Html::fill(shown, &parts), ours])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_typed_becomes_html() {
        let form = form("box.local", "\"><script>alert('1')</script>{domain}", "1G & more", None).0;
        assert!(!form.contains("<script") && form.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)"));
        assert!(form.contains("{domain}\""), "what is filled in is not filled again: {form}");
        assert!(form.contains("1G &amp; more") && !form.contains("aria-invalid") && !form.contains("autofocus"));
    }

    #[test]
    fn every_name_in_the_templates_is_filled() {
        let content = [
            form("d", "n", "q", Some(Entry::Again)),
            program("s", [1, 2, 3, 4], Some([5, 6]), "u", trust("AA:BB", Some("CC:DD"))),
        ];
        let page = page("t", content);
        let (head, body) = page.split_once(STYLE).unwrap();
        assert!(!head.contains('{') && !body.contains('{'), "{page}");
        for word in
            ["<title>t", "value=\"n\"", "value=\"q\"", ">s<", ">2<", "is 4.", "port 6,", ">u<", "AA:BB", "CC:DD"]
        {
            assert!(page.contains(word), "{word}: {page}");
        }
    }

    #[test]
    fn the_field_that_is_wrong_says_so_and_is_where_the_browser_begins() {
        let entries = [Entry::Code, Entry::Name, Entry::Password, Entry::Again, Entry::Quota];
        for (entry, id) in entries.into_iter().zip(["code", "name", "password", "again", "quota"]) {
            let form = form("d", "n", "q", Some(entry)).0;
            let wrong: Vec<&str> = form.lines().filter(|line| line.contains("aria-invalid=\"true\"")).collect();
            assert!(wrong.len() == 1 && wrong[0].contains(&format!("id=\"{id}\"")), "{wrong:?}");
            assert!(wrong[0].contains("aria-describedby=\"why\"") && wrong[0].contains(" autofocus"));
        }
        assert!(bad("no").0.contains("id=\"why\" role=\"alert\"") && !good("yes").0.contains("alert"));
    }

    /// The relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let digits: Vec<char> = colour.trim_start_matches('#').chars().collect();
        let parts: Vec<String> = match digits.len() {
            3 => digits.iter().map(|digit| format!("{digit}{digit}")).collect(),
            _ => digits.chunks(2).map(|pair| pair.iter().collect()).collect(),
        };
        let of = |part: &String| {
            let value = f64::from(u8::from_str_radix(part, 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * of(&parts[0]) + 0.7152 * of(&parts[1]) + 0.0722 * of(&parts[2])
    }

    #[test]
    fn all_that_is_read_stands_out_in_the_light_and_in_the_dark() {
        let themes: Vec<&str> =
            STYLE.match_indices(":root{").filter_map(|(at, _)| STYLE[at + 6..].split('}').next()).collect();
        assert_eq!(themes.len(), 2);
        for theme in themes {
            let colour = |name: &str| {
                let named = theme.split(';').find_map(|one| one.strip_prefix(&format!("--{name}:")));
                luminance(named.unwrap_or_else(|| panic!("--{name} in {theme}")))
            };
            let contrast = |one: &str, other: &str| {
                let (one, other) = (colour(one), colour(other));
                (one.max(other) + 0.05) / (one.min(other) + 0.05)
            };
            for ground in ["paper", "card"] {
                for text in ["ink", "soft", "red", "green"] {
                    assert!(contrast(text, ground) >= 4.5, "{text} on {ground}: {}", contrast(text, ground));
                }
                // What has to be seen but not read (WCAG 2.2 §1.4.11).
                assert!(contrast("edge", ground) >= 3.0, "edge on {ground}: {}", contrast("edge", ground));
            }
            for signal in ["red", "green"] {
                assert!(contrast("on", signal) >= 4.5, "on {signal}: {}", contrast("on", signal));
            }
        }
    }
}
