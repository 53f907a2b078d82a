"""First rows of tables in the forms of well-known publishers, with made-up values."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

N_ROWS = 60


def moments(step: timedelta) -> list[datetime]:
    start = datetime(2019, 10, 1, 9, 30, tzinfo=UTC)
    return [start + i * step for i in range(N_ROWS)]


def table(header: str, row: Callable[[int, datetime], str], step_hours: int = 5) -> str:
    """Return a header, if there is one, and rows: number, time → line."""
    lines = [row(i, t) for i, t in enumerate(moments(timedelta(hours=step_hours)))]
    return "\n".join([header, *lines] if header else lines) + "\n"


RETAIL_ROCKET = table(
    "timestamp,visitorid,event,itemid,transactionid",
    lambda i, t: (
        f"{int(t.timestamp())}117,{257597 + i % 9},"
        f"{'view' if i % 4 else 'transaction'},{355908 - i % 7},{'' if i % 4 else i}"
    ),
)
COSMETICS = table(
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,"
    "user_session",
    lambda i, t: (
        f"{t:%Y-%m-%d %H:%M:%S} UTC,cart,{5773203 - i % 7},1487580005134238553,,runail,"
        f"2.62,{463240011 + i % 9},26dd6e6e-4dac-4778-8d2c-92e149dab{i % 11:03}"
    ),
)
ONLINE_RETAIL = table(
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
    lambda i, t: (
        f"{536365 + i // 5},{71053 + i % 7}B,WHITE LANTERN {i % 7},{1 + i % 6},"
        f"{t.month}/{t.day}/{t.year} {t.hour}:{t:%M},2.55,{17850 + i % 9},UK"
    ),
)
LISTENING = table(
    "",
    lambda i, t: (
        f"user_{i % 9:06}\t{t:%Y-%m-%dT%H:%M:%SZ}\tartist-{i % 5}\tThe {i % 5}\t"
        f'track-{i % 7}\tSong "{i % 7}'
    ),
)
CHECK_INS = table(
    "",
    lambda i, t: (
        f"{i % 9}\t{t:%Y-%m-%dT%H:%M:%SZ}\t30.2359\t-97.79{i % 7}\t{22847 + i % 7}"
    ),
)
VENUES = table(
    "",
    lambda i, t: (
        f"{470 + i % 9}\t49bbd6c0f964a520f4531f{i % 7:02}\t4bf58dd8d48988d127951735\t"
        f"Café\t40.71\t-74.00\t-240\t{t:%a %b %d %H:%M:%S +0000 %Y}"
    ),
)
SHOP_SESSIONS = table(
    "sessionId;userId;itemId;timeframe;eventdate",
    lambda i, t: f"{1 + i % 9};NA;{81766 + i % 7};{526309 + i};{t:%Y-%m-%d}",
)
TAOBAO = table(
    "",
    lambda i, t: f"{1 + i % 9},{2268318 + i % 7},2520377,pv,{int(t.timestamp())}",
)
MOVIE_DAT = table(
    "", lambda i, t: f"{1 + i % 9}::{1193 + i % 7}::{1 + i % 5}::{int(t.timestamp())}"
)
MOVIE_TAB = table(
    "",
    lambda i, t: f"{196 + i % 9}\t{242 + i % 7}\t{1 + i % 5}\t{int(t.timestamp())}",
)
RATINGS = table(
    "userId,movieId,rating,timestamp",
    lambda i, t: f"{1 + i % 9},{1 + i % 7},{(1 + i % 9) / 2},{int(t.timestamp())}",
)
WITH_INDEX = table(
    ",user,item,day",
    lambda i, t: f"{i},{1 + i % 9},i{i % 7},{1 + i}",
)
AMERICAN = table(
    "Transaction Date,Customer Name,Item Name,Amount ($)",
    lambda i, t: f'"{t:%b} {t.day}, {t.year}",Ann {i % 9},Lamp {i % 7},"1,20{i % 10}"',
)
GERMAN = table(
    "Kunde;Artikel;Datum;Bewertung",
    lambda i, t: f"K{i % 9};Ä{i % 7};{t:%d.%m.%Y %H:%M};{1 + i % 5},5",
)
EXCEL = table(
    "member;sku;when;stars",
    lambda i, t: f"{1 + i % 9};{1 + i % 7};{43739 + i / 24:.5f};{i % 5}",
)
UNDECIDED = table("a,b,c", lambda i, t: f"{i},{i * i},{i + 0.5}")

LAYOUTS = {
    "retail rocket": (
        RETAIL_ROCKET,
        ("visitorid", "itemid", "timestamp", "milliseconds", None),
    ),
    "cosmetics": (
        COSMETICS,
        ("user_id", "product_id", "event_time", "%Y-%m-%d %H:%M:%S UTC", None),
    ),
    "online retail": (
        ONLINE_RETAIL,
        ("CustomerID", "StockCode", "InvoiceDate", "%m/%d/%Y %H:%M", None),
    ),
    "listening": (LISTENING, ("user", "item", "time", "datetime", None)),
    "check-ins": (CHECK_INS, ("user", "item", "time", "datetime", None)),
    "venues": (VENUES, ("user", "item", "time", "%a %b %d %H:%M:%S %z %Y", None)),
    "shop sessions": (
        SHOP_SESSIONS,
        ("sessionId", "itemId", "eventdate", "datetime", None),
    ),
    "taobao": (TAOBAO, ("user", "item", "time", "seconds", None)),
    "movie dat": (MOVIE_DAT, ("user", "item", "time", "seconds", "rating")),
    "movie tab": (MOVIE_TAB, ("user", "item", "time", "seconds", "rating")),
    "ratings": (RATINGS, ("userId", "movieId", "timestamp", "seconds", "rating")),
    "with index": (WITH_INDEX, ("user", "item", "day", "seconds", None)),
    "american": (
        AMERICAN,
        ("Customer Name", "Item Name", "Transaction Date", "%b %d, %Y", None),
    ),
    "german": (GERMAN, ("Kunde", "Artikel", "Datum", "%d.%m.%Y %H:%M", "Bewertung")),
    "excel": (EXCEL, ("member", "sku", "when", "excel", "stars")),
}
"""Layout → text, and the columns of user, item, time, its format, and the rating."""

COLUMNS = {
    "listening": ["user", "time", "item", "column_4", "column_5", "column_6"],
    "check-ins": ["user", "time", "column_3", "column_4", "item"],
    "venues": ["user", "item", *(f"column_{i}" for i in range(3, 8)), "time"],
    "taobao": ["user", "item", "column_3", "column_4", "time"],
    "movie dat": ["user", "item", "rating", "time"],
    "movie tab": ["user", "item", "rating", "time"],
}
"""Layout without header → names of its columns."""
