//! Draws bars as SVG. The same figures give the same bytes.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const ROW: f64 = 30.0;
const RIGHT: f64 = 150.0;
const HEAD: f64 = 66.0;
const FOOT: f64 = 46.0;

/// One bar.
pub struct Bar {
    pub label: String,
    pub value: f64,
    /// From where to where half of all runs lie.
    pub spread: Option<(f64, f64)>,
    /// What stands behind the bar.
    pub text: String,
    /// A mark that the value should not pass.
    pub aim: Option<f64>,
    pub own: bool,
}

pub struct Chart<'a> {
    pub title: &'a str,
    pub subtitle: &'a str,
    pub foot: String,
    pub bars: Vec<Bar>,
    /// Width of the labels.
    pub left: f64,
    /// Powers of ten instead of equal steps.
    pub logarithmic: bool,
}

impl Chart<'_> {
    /// The largest value, and the smallest that a logarithmic axis shows.
    fn range(&self) -> (f64, f64) {
        let reach = |bar: &Bar| {
            bar.spread
                .map_or(bar.value, |(_, high)| high.max(bar.value))
        };
        let most = self.bars.iter().map(reach).fold(0.0, f64::max);
        let least = self
            .bars
            .iter()
            .map(|bar| bar.value)
            .filter(|value| *value > 0.0);
        (least.fold(f64::MAX, f64::min) / 2.0, most)
    }

    fn at(&self, value: f64) -> f64 {
        let (least, most) = self.range();
        let part = match self.logarithmic {
            true => (value.max(least) / least).ln() / (most / least).ln(),
            false => value / most,
        };
        self.left + part * (WIDTH - self.left - RIGHT)
    }

    /// The whole picture.
    pub fn svg(&self) -> String {
        let height = HEAD + ROW * self.bars.len() as f64 + FOOT;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        text(&mut svg, 16.0, 26.0, "start", "17", "#111", self.title);
        text(&mut svg, 16.0, 46.0, "start", "13", "#444", self.subtitle);
        for (row, bar) in self.bars.iter().enumerate() {
            self.row(&mut svg, HEAD + ROW * row as f64, bar);
        }
        text(
            &mut svg,
            16.0,
            height - 16.0,
            "start",
            "11",
            "#666",
            &self.foot,
        );
        svg += "</svg>\n";
        svg
    }

    fn row(&self, svg: &mut String, top: f64, bar: &Bar) {
        let (middle, end) = (top + ROW / 2.0, self.at(bar.value));
        let colour = if bar.own { "#1f6fb2" } else { "#9aa5b1" };
        text(
            svg,
            self.left - 8.0,
            middle + 4.5,
            "end",
            "13",
            "#111",
            &bar.label,
        );
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            self.left,
            top + 5.0,
            (end - self.left).max(1.0),
            ROW - 10.0
        );
        let mut behind = end;
        if let Some((low, high)) = bar.spread {
            let (low, high) = (self.at(low), self.at(high));
            let _ = writeln!(
                svg,
                "<path d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {0:.1}v8M{high:.1} {0:.1}v8\" \
                 stroke=\"#111\" fill=\"none\"/>",
                middle - 4.0
            );
            behind = behind.max(high);
        }
        if let Some(aim) = bar.aim {
            let at = self.at(aim);
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {:.1}v{:.1}\" stroke=\"#c0392b\" stroke-width=\"2\" \
                 stroke-dasharray=\"4 2\"/>",
                top + 1.0,
                ROW - 2.0
            );
            behind = behind.max(at);
        }
        text(
            svg,
            behind + 6.0,
            middle + 4.5,
            "start",
            "12",
            "#111",
            &bar.text,
        );
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, size: &str, colour: &str, words: &str) {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" \
         fill=\"{colour}\">{words}</text>"
    );
}
