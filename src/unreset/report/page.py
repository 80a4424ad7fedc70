"""The parts of an HTML page, and its style. It needs no network and no scripts.

Images are part of the page, drawn once for a light and once for a dark screen.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from unreset.report.drawing import DARK, LIGHT, Theme, to_svg


def escape(value: object) -> str:
    """Text as HTML."""
    return html.escape(str(value), quote=True)


def uri(content: bytes, kind: str) -> str:
    """A picture's bytes as an address; ``kind`` as in ``image/kind``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def picture(draw: Callable[..., Figure], alt: str, size: tuple[int, int]) -> str:
    """A figure drawn for light and dark screens; ``size`` keeps its place while it loads."""
    light, dark = (uri(to_svg(draw(theme=theme)), "svg+xml") for theme in (LIGHT, DARK))
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(alt)}" width="{size[0]}" height="{size[1]}"></picture>'
    )


def figure(picture: str, caption: str, kind: str = "") -> str:
    """``caption`` is HTML."""
    return f'<figure class="{kind}">{picture}<figcaption>{caption}</figcaption></figure>'


def section(title: str, *content: str) -> str:
    """A titled section; ``content`` is HTML."""
    return f"<section><h2>{escape(title)}</h2>{''.join(content)}</section>"


def nothing(text: str) -> str:
    """A paragraph that says what there is not."""
    return f'<p class="nothing">{escape(text)}</p>'


def note(text: str) -> str:
    """A paragraph on how to read what follows."""
    return f'<p class="note">{escape(text)}</p>'


def legend(names: Sequence[str], colours: Sequence[int] | None = None) -> str:
    """Names with their colours, by index."""
    chosen = range(len(names)) if colours is None else colours
    items = "".join(
        f'<span class="key c{colour % len(LIGHT.series)}">{escape(name)}</span>'
        for name, colour in zip(names, chosen, strict=True)
    )
    return f'<p class="legend">{items}</p>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table; every cell is HTML, the first of a row is its heading."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{c}</td>" for c in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _colours(theme: Theme) -> str:
    names = ("page", "panel", "text", "muted", "line", "good", "bad")
    plain = "".join(f"--{name}:{getattr(theme, name)};" for name in names)
    return plain + "".join(f"--c{i}:{colour};" for i, colour in enumerate(theme.series))


_STYLE = """
*{box-sizing:border-box}
html{background:var(--page);color:var(--text);-webkit-text-size-adjust:100%}
body{max-width:60rem;margin:0 auto;padding:3rem 1.5rem 4rem;
font:400 1rem/1.5 system-ui,"Segoe UI","Helvetica Neue",Arial,sans-serif}
h1{font-size:2.3rem;font-weight:650;line-height:1.15;letter-spacing:-.02em;margin:0;
overflow-wrap:anywhere}
h1 span{font-weight:400;color:var(--muted)}
h2{font-size:1.15rem;font-weight:650;margin:0 0 .8rem;overflow-wrap:anywhere}
h3{font-size:1rem;font-weight:600;margin:0 0 .7rem}.mini+.mini{margin-top:2.2rem}
section{margin-top:3.2rem}
.over,.facts,.note,figcaption,.nothing,small{color:var(--muted);font-size:.875rem}
.over{margin:0 0 .3rem}.facts{margin:.5rem 0 0;font-size:1rem}.note{margin:0 0 1rem}
.nothing{padding:1.2rem;background:var(--panel);border-radius:.5rem;margin:0}
.notice{margin:1.8rem 0 0;padding:.8rem 1rem .8rem 2rem;border-left:3px solid var(--c1);
background:var(--panel);font-size:.9rem}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;margin:2rem 0 0;
background:var(--line);border:1px solid var(--line);border-radius:.6rem;overflow:hidden}
.tiles div{background:var(--page);padding:.9rem 1.1rem}
.tiles dt{color:var(--muted);font-size:.875rem}
.tiles dd{margin:.1rem 0 0;font-size:1.55rem;font-weight:600;letter-spacing:-.01em;
font-variant-numeric:tabular-nums}
.tiles small{display:block;font-size:.8rem;font-weight:400;letter-spacing:0}
figure{margin:0}img{display:block;max-width:100%;height:auto}
picture+figcaption{margin-top:.4rem}
.small{display:flex;flex-direction:column-reverse;justify-content:flex-end}
.small figcaption{margin:0 0 .1rem}.small b,.maps b{color:var(--text);font-weight:600}
.grid{display:grid;gap:1.6rem 1.4rem}
.metrics{grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
.pairs{grid-template-columns:repeat(auto-fill,minmax(min(22rem,100%),1fr))}
.lengths{margin-top:1.8rem}.maps+h3{margin-top:2rem}
.findings{margin:0;padding:.8rem 1rem .8rem 2rem;background:var(--panel);border-radius:.5rem}
.findings li+li{margin-top:.35rem}
.maps{grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr))}
.maps figure{max-width:27rem}
.videos{grid-template-columns:repeat(auto-fill,minmax(10rem,1fr))}
.video img{width:100%;max-width:20rem;border-radius:.4rem}.broad{grid-column:span 2}
.mini .maps{grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
.mini .maps figure{max-width:19rem}.mini .videos{margin-top:1.4rem;
grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr))}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;margin:0 0 .6rem;font-size:.9rem}
.legend span{display:inline-flex;align-items:center;gap:.45rem}
.legend svg{width:1rem;height:1rem;flex:none}
.good{fill:var(--good)}.bad{stroke:var(--bad);stroke-width:1.6}
.rim{fill:none;stroke:var(--text);stroke-width:1.6}
.key::before{content:"";display:inline-block;width:.75rem;height:.75rem;border-radius:.2rem;
background:var(--key);flex:none}
th .key::before,h3 .key::before,b.key::before{margin-right:.45rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
td,tbody th{white-space:nowrap}
th,td{padding:.5rem 1rem .5rem 0;text-align:right;border-bottom:1px solid var(--line);
vertical-align:top}
th:first-child{text-align:left}th:last-child,td:last-child{padding-right:0}tbody th{font-weight:400}
thead th{color:var(--muted);font-weight:400;vertical-align:bottom}
.dense{font-size:.85rem}.dense th,.dense td{padding-right:.7rem}
.ledger{max-width:32rem}.ledger thead{display:none}
details{border-bottom:1px solid var(--line)}
summary{padding:.6rem 0;cursor:pointer;font-weight:600}summary small{font-weight:400}
.settings{columns:2 18rem;column-gap:2.5rem;margin:0 0 1rem;font-size:.9rem}
.settings div{display:flex;justify-content:space-between;gap:1rem;padding:.2rem 0;
break-inside:avoid}
.settings dt{color:var(--muted)}
.settings dd{margin:0;text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.mini figcaption{font-size:.8rem}
@media (max-width:40rem){body{padding:1.6rem 1rem 3rem}h1{font-size:1.8rem}
.tiles{grid-template-columns:repeat(2,1fr)}.tiles dd{font-size:1.3rem}section{margin-top:2.4rem}
.wide picture{display:block;overflow-x:auto}.wide img{max-width:none;width:38rem}}
@media print{body{max-width:none;padding:0;font-size:10pt}figure,.tiles,tr{break-inside:avoid}
h2{break-after:avoid}section{margin-top:1.6rem}}
"""


def document(title: str, body: str) -> str:
    """The whole document; ``body`` is HTML."""
    keys = "".join(f".c{i}{{--key:var(--c{i})}}" for i in range(len(LIGHT.series)))
    style = (
        f":root{{color-scheme:light dark;{_colours(LIGHT)}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_colours(DARK)}}}}}{keys}{_STYLE}"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )
