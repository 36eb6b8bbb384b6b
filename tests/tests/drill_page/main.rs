//! The drill's page, in a browser: it is drawn, it fits, it asks nobody for anything, and its values can be read.

mod browser;
#[path = "../program.rs"]
mod program;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::browser::Browser;
use self::program::{Folder, root, run};

/// The command that made the picture in the README, with fewer requests, a shorter incident and a file of the test's own.
async fn made(folder: &Folder) -> (PathBuf, String) {
    let readme = std::fs::read_to_string(root().join("examples/incidents/README.md")).expect("the README");
    let command =
        readme.lines().map(str::trim).find(|line| line.starts_with("pointsman drill") && line.contains("--html"));
    let command = command.expect("a command that makes a page").to_owned();
    let file = folder.path("report.html");
    let example = root().join("examples/two-keys.toml").to_string_lossy().into_owned();
    let words = command.split(' ').skip(1).map(|word| match word {
        "examples/two-keys.toml" => example.as_str(),
        "report.html" => file.as_str(),
        word => word,
    });
    let arguments: Vec<&str> = words.chain(["--rate", "30", "--hours", "1", "--value", "0.05"]).collect();
    let (code, out, err) = run(&arguments, &[]).await;
    assert_eq!(code, 0, "{out}{err}");
    (PathBuf::from(&file), out)
}

/// Fields that a page has for an expression over each element that a selector finds.
async fn each(browser: &mut Browser, selector: &str, expression: &str) -> Vec<Value> {
    let all = browser.ask(&format!("[...document.querySelectorAll('{selector}')].map((e) => {expression})")).await;
    all.as_array().expect("a list").clone()
}

/// No error, no request but for the page itself.
fn is_calm(browser: &Browser, file: &Path) {
    let errors: Vec<_> = browser.all("Runtime.exceptionThrown").chain(browser.all("Log.entryAdded")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let said: Vec<_> = browser.all("Runtime.consoleAPICalled").collect();
    assert!(said.is_empty(), "{said:?}");
    let asked: Vec<_> = browser.all("Network.requestWillBeSent").map(|asked| &asked["request"]["url"]).collect();
    assert_eq!(asked, [&json!(format!("file://{}", file.display()))]);
}

#[tokio::test]
async fn a_report_is_drawn_and_read_in_a_browser() {
    let folder = Folder::new("drill-page");
    let (file, out) = made(&folder).await;
    assert!(out.contains("minutes of outage") && out.contains("At $0.05 an answer"), "{out}");
    let mut browser = Browser::start("page").await;
    for (size, scheme) in [((1280, 900), "light"), ((1280, 900), "dark"), ((400, 800), "light")] {
        browser.open(&file, size, scheme).await;
        is_calm(&browser, &file);
        fits(&mut browser).await;
        is_drawn(&mut browser).await;
        is_legible(&mut browser).await;
        if let Some(to) = std::env::var_os("POINTSMAN_SCREENSHOTS") {
            screenshots(&mut browser, Path::new(&to), &format!("{}-{scheme}", size.0)).await;
        }
    }
    browser.open(&file, (1280, 900), "light").await;
    values_are_read(&mut browser).await;
    is_calm(&browser, &file);
    nothing_else_runs_or_loads(&mut browser).await;

    browser.send("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    browser.open(&file, (1280, 900), "light").await;
    is_drawn(&mut browser).await;
    assert_eq!(browser.ask("document.querySelectorAll('[tabindex]').length").await, 0, "no script ran");
}

/// The page's own policy: what came into it after all could do nothing.
async fn nothing_else_runs_or_loads(browser: &mut Browser) {
    for (markup, what) in [
        ("<img src=\"http://127.0.0.1:9/x.png\">", "img-src"),
        ("<iframe src=\"http://127.0.0.1:9/\"></iframe>", "frame-src"),
        ("<b onclick=\"window.ran = true\">b</b>", "script-src-attr"),
    ] {
        let expression = format!(
            "new Promise((told) => {{
                document.addEventListener('securitypolicyviolation', (event) => told(event.violatedDirective), {{ once: true }});
                document.body.insertAdjacentHTML('beforeend', '{markup}');
                document.body.lastElementChild.click();
            }})"
        );
        assert_eq!(browser.ask(&expression).await, what, "{markup}");
    }
    assert_eq!(browser.ask("typeof window.ran").await, "undefined");
}

/// Otherwise the silence that the other test finds would prove nothing.
#[tokio::test]
async fn what_goes_wrong_on_a_page_is_noticed() {
    let folder = Folder::new("bad-page");
    let text = "<body><img src=\"http://nowhere.test/x.png\"><p style=\"width: 5000px\">wide</p>\
                <script>console.error(1); throw new Error(2)</script>";
    let file = PathBuf::from(folder.write("bad.html", text));
    let mut browser = Browser::start("bad-page").await;
    browser.open(&file, (400, 800), "dark").await;
    let count = |method: &str| browser.all(method).count();
    assert_eq!((count("Runtime.exceptionThrown"), count("Runtime.consoleAPICalled")), (1, 1));
    assert_eq!((count("Network.requestWillBeSent"), count("Network.loadingFailed")), (2, 1));
    assert_eq!(browser.ask("document.documentElement.scrollWidth > innerWidth").await, true);
    assert_eq!(browser.ask("matchMedia('(prefers-color-scheme: dark)').matches").await, true);
}

/// Nothing is wider than the window, and no plot's text leaves it.
async fn fits(browser: &mut Browser) {
    let widths = browser.ask("[document.documentElement.scrollWidth, innerWidth]").await;
    assert_eq!(widths[0], widths[1], "it would scroll to the side");
    let box_ = "((r) => [r.left, r.right, e.textContent])(e.getBoundingClientRect())";
    for text in each(browser, ".area text", box_).await {
        let (left, right) = (text[0].as_f64().expect("left"), text[1].as_f64().expect("right"));
        assert!(left >= 0.0 && right <= widths[1].as_f64().expect("a width"), "{text}");
    }
}

/// Each plot has shapes, and these are within its area.
async fn is_drawn(browser: &mut Browser) {
    let inside = "((box, shapes) => [
        e.querySelector('figcaption').textContent,
        [...shapes].map((shape) => shape.getAttribute('d').split(/[MLHV]/).length - 1).reduce((a, b) => a + b, 0),
        [...shapes].every((shape) => ((r) => r.width === 0 && r.height === 0
            || r.left >= box.left - 2 && r.right <= box.right + 2 && r.top >= box.top - 2 && r.bottom <= box.bottom + 2)(
            shape.getBoundingClientRect())),
        box.width > 200 && box.height >= 30,
        e.querySelectorAll('.phase').length, e.querySelectorAll('.phase-name').length,
    ])(e.querySelector('.area').getBoundingClientRect(), e.querySelectorAll('.shapes path'))";
    let plots = each(browser, ".plot", inside).await;
    // 8 of what callers saw; who answered, for two policies and none; two policies' breakers; two of each provider.
    assert_eq!(plots.len(), 18, "{plots:?}");
    for plot in &plots {
        let points = plot[1].as_u64().expect("a number");
        let is_band = plot[0].as_str().is_some_and(|title| title.contains("of the time"));
        assert!(is_band && points > 4 || points > 25, "{plot}");
        assert!(plot[2] == true && plot[3] == true, "it is drawn outside of its box: {plot}");
        assert!(plot[4] == 3 && plot[5] == 3, "the incident's phases: {plot}");
    }
}

/// Text is large enough, and stands out from the paper as WCAG 2 wants it: 4.5 to 1.
async fn is_legible(browser: &mut Browser) {
    let contrast = "(() => {
        const luminance = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
            .reduce((all, part, at) => all + part * [0.2126, 0.7152, 0.0722][at], 0);
        const paper = luminance(getComputedStyle(document.body).backgroundColor);
        return [...document.querySelectorAll('h1, h2, p, th, td, li, figcaption span, .area text')].map((e) => {
            const style = getComputedStyle(e);
            const ink = luminance(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
            const [dark, bright] = [ink, paper].sort((a, b) => a - b);
            return [(bright + 0.05) / (dark + 0.05), parseFloat(style.fontSize), e.textContent.slice(0, 40)];
        });
    })()";
    let texts = browser.ask(contrast).await;
    let texts = texts.as_array().expect("a list");
    assert!(texts.len() > 200, "{}", texts.len());
    for text in texts {
        assert!(text[0].as_f64().is_some_and(|contrast| contrast >= 4.5), "too faint: {text}");
        assert!(text[1].as_f64().is_some_and(|size| size >= 10.0), "too small: {text}");
    }
}

/// By the mouse and by the keyboard, and without either in the table.
async fn values_are_read(browser: &mut Browser) {
    let place = "((r) => [r.left + r.width / 2, r.top + r.height / 2])(document.querySelector('.area').getBoundingClientRect())";
    let place = browser.ask(place).await;
    browser.point(place[0].as_f64().expect("x"), place[1].as_f64().expect("y")).await;
    let readout = "document.querySelector('.readout').innerText";
    let told = browser.ask(readout).await;
    let told = told.as_str().expect("text");
    assert!(told.contains("Time") && told.contains("failover") && told.contains('%'), "{told}");
    let row =
        "[...document.querySelectorAll('.plot tbody tr')].find((row) => row.cells[0].textContent === '0:30').cells[1]";
    let value = browser.ask(&format!("{row}.textContent")).await;
    assert!(told.contains(value.as_str().expect("text")), "{told}: {value}");
    assert_eq!(browser.ask("document.querySelectorAll('.cursor.on').length").await, 18, "the same time in all plots");

    browser.point(1.0, 1.0).await;
    assert_eq!(browser.ask(readout).await, "", "it goes with the mouse");
    browser.press("Tab").await;
    browser.ask("document.querySelector('.area').focus()").await;
    browser.press("Home").await;
    let first = browser.ask(readout).await;
    browser.press("ArrowRight").await;
    let second = browser.ask(readout).await;
    assert!(first.as_str().is_some_and(|text| text.contains("0:00")), "{first}");
    assert!(second != first && second != "", "{second}");
    browser.press("Escape").await;
    assert_eq!(browser.ask(readout).await, "");
}

/// For people: what it looks like, at its top and as a whole.
async fn screenshots(browser: &mut Browser, folder: &Path, name: &str) {
    use base64::Engine as _;
    browser.point(f64::from(300), f64::from(700)).await;
    for (part, all) in [("top", false), ("whole", true)] {
        let shot =
            browser.send("Page.captureScreenshot", json!({ "captureBeyondViewport": all, "format": "png" })).await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().expect("text"));
        std::fs::write(folder.join(format!("{name}-{part}.png")), bytes.expect("base64")).expect("a file");
    }
}
