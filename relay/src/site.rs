//! The ordinary small web site that everybody sees who has not the path: pages, and one 404 for all else.

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};

/// One file of the site.
struct Page {
    path: &'static str,
    kind: &'static str,
    body: &'static str,
}

/// All of it. Nothing here names a relay, and nothing in it changes with time.
const PAGES: &[Page] = &[
    Page { path: "/", kind: HTML, body: include_str!("site/index.html") },
    Page { path: "/index.html", kind: HTML, body: include_str!("site/index.html") },
    Page { path: "/notes.html", kind: HTML, body: include_str!("site/notes.html") },
    Page { path: "/style.css", kind: "text/css; charset=utf-8", body: include_str!("site/style.css") },
    Page { path: "/robots.txt", kind: "text/plain; charset=utf-8", body: "User-agent: *\nDisallow:\n" },
];

const NOT_FOUND: Page = Page { path: "", kind: HTML, body: include_str!("site/404.html") };
const HTML: &str = "text/html; charset=utf-8";

/// What to send to a request that is no session: head and body, the body empty for HEAD.
///
/// Every request that finds no page gets the same bytes, whatever its method and path, so that a wrong secret path
/// cannot be told from any other.
pub(crate) fn answer(method: &Method, path: &str) -> (Response<()>, Bytes) {
    let readable = *method == Method::GET || *method == Method::HEAD;
    let page = PAGES.iter().find(|page| readable && page.path == path);
    let (status, page) = page.map_or((StatusCode::NOT_FOUND, &NOT_FOUND), |page| (StatusCode::OK, page));
    let mut head = Response::new(());
    *head.status_mut() = status;
    head.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(page.kind));
    head.headers_mut().insert(header::CONTENT_LENGTH, header::HeaderValue::from(page.body.len()));
    let body = if *method == Method::HEAD { "" } else { page.body };
    (head, Bytes::from_static(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_answers_get_and_head() {
        for page in PAGES {
            let (head, body) = answer(&Method::GET, page.path);
            assert_eq!((head.status(), body.len()), (StatusCode::OK, page.body.len()));
            let (head, body) = answer(&Method::HEAD, page.path);
            assert_eq!((head.status(), body.len()), (StatusCode::OK, 0));
        }
    }

    #[test]
    fn any_other_request_gets_the_same_404() {
        let (expected, text) = answer(&Method::GET, "/nothing");
        assert_eq!(expected.status(), StatusCode::NOT_FOUND);
        for (method, path) in
            [(Method::POST, "/"), (Method::POST, "/x"), (Method::PUT, "/style.css"), (Method::GET, "//")]
        {
            let (head, body) = answer(&method, path);
            assert_eq!((head.status(), head.headers(), &body), (expected.status(), expected.headers(), &text));
        }
    }

    #[test]
    fn the_site_does_not_say_what_it_hides() {
        for page in PAGES.iter().chain([&NOT_FOUND]) {
            assert!(!page.body.to_ascii_lowercase().contains("relevo"));
        }
    }
}
