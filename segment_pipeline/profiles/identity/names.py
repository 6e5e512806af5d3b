"""Whether the names of two accounts may be one person's: accents, initials, short forms and word order aside.

Works on names in the canonical form of `identifiers.name`; knows no table. In doubt they may be: an account without a first name,
or in another script, is told apart from nobody.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

from segment_pipeline import identifiers


class Name(NamedTuple):
    """First and last name in canonical form; None: not known."""

    first: str | None
    last: str | None


# A line for each first name: its usual spellings, then its short forms, which may be on more lines than one. Names that are given
# as such (Martin and Martina, Maria and Mia) have lines of their own: a couple or siblings may share a phone. Our own list, not whole.
_SHORT_FORMS: Final = """
abigail abby gail
alan allan allen al
albert al bert bertie
alejandro alex ale
alessandro alex ale sandro
alexander alexandre alex al sandy sasha sascha xander
alexandra alex sandra sandy sasha sascha
alfred alf fred freddie
andrea andi andie
andreas andi andy
andrew andy drew andi
angela angie
anna ann anne annie anya nan
anthony tony ant
anton toni tony
antonia toni
antonio toni tony
barbara babs barb
benjamin ben benny
bernard bernie
bernhard bernd bernie
carolina caro lina
caroline carolyn caro carrie
catherine katherine kathryn catharine cathy kathy kate katie kat kit kitty
charles charlie chuck chas
charlotte charlie lotte lottie
christa chris
christian chris
christina kristina chris kris tina
christine chris kris tina
christoph chris
christopher kristopher chris kit
daniel dan danny dani
daniela dani
danielle dani
david dave davey
deborah debra deb debbie
dmitri dmitry dima mitya
donald don donny
dorothea dorothee doro dora thea
dorothy dot dottie dolly
eduard edi
edward ed eddie ned ted teddy
elisabeth elizabeth beth betty liz lizzie libby eliza lisbeth sissi sisi
eugene gene
florian flo flori
frances fran frannie francie
francesca fran
francesco franco
francis frank frankie
franziska franzi
frederick frederic fred freddy freddie
friedrich fritz fred
gabriel gabe
gabriela gabriele gabi gaby
gabrielle gabby gabi
geoffrey jeffrey geoff jeff
george georgie
georg schorsch
gerald gerry jerry
gerhard gerd
giuseppe pino peppe beppe
gregory greg
guglielmo memo
guillermo memo
heinrich heinz heiner
henry hank harry hal
ignacio nacho
irina ira
isabella isabel isabelle bella
ivan vanya
jacob jakob jake
james jim jimmy jamie
jennifer jen jenny jenna
jessica jess jessie
johannes hannes hans
john johnny jack
jonathan jonathon jon jonny johnny
josef sepp
joseph joe joey
josephine josefine josie fina jo
jose pepe
judith judy
julia jule
juliane jule
julie jules
julian jules
karl kalle
katarina katharina kathi kati katja
kenneth ken kenny
lawrence laurence larry
leonard leo len lenny
leonardo leo
leonhard leo
louis lou louie
luigi gigi
ludwig lutz
madeleine madeline maddie
magdalena magda lena leni
manfred manni fred
margaret maggie meg peggy marge margie
margarete margarethe gretchen grete gretel
maria marie mary mimi mitzi
marianne mimi
martha marty
martin marty
matteo teo
matthew matt matty
matthias mathias matze
maximilian max maxi
michael mike mick mickey micha michi
mikhail misha
natalia natalie natalya nat natasha natascha
nathan nate nat
nathaniel nate nat
nicholas nicolas nick nicky nico niko
nicole nicky nicki
nikolai kolya
nikolaus klaus niko
olga olya
pablo pablito
patricia pat patty tricia trish
patrick pat paddy
pavel pasha
peter pete
philip phillip philipp phil pip
rebecca becky becca
ricardo rick ricky
richard rich rick ricky dick dickie
robert rob bob bobby robbie bert
roberto rob berto
ronald ron ronnie
rosemary rosemarie rose rosie
samantha sam sammy
samuel sam sammy
sarah sara sally sadie
sebastian seb basti
sergei sergey serge seryozha
stefan stephan
stephanie stefanie steffi steph
stephen steven steve stevie
susan susanne suzanne susanna sue susie suzy susi
svetlana sveta
tatiana tatjana tanya tanja
theodore theodor theo ted teddy
theresa teresa therese terry tess resi
thomas tomas tom tommy
timothy tim timmy
ulrich uli ulli
ulrike uli ulli
valentina valya
victoria viktoria vicky vicki tori
vincent vince vinny
vincenzo enzo
vladimir vova volodya
walter walt wally
wilhelm willi willy
william will bill billy willie
wolfgang wolf
yekaterina ekaterina katya katia
zachary zach zack
"""
_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})
_TITLES: Final = frozenset("mr mrs ms miss mx dr prof sir herr frau hr fr sr sra don dona mme mlle m".split())
_NOBODY: Final = frozenset(
    "guest customer user unknown anonymous nobody none null undefined test na nn kunde gast family familie invitado cliente client".split()
)


def _groups() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for number, line in enumerate(_SHORT_FORMS.split("\n")):
        for word in line.split():
            found.setdefault(word, set()).add(number)
    return {word: frozenset(numbers) for word, numbers in found.items()}


_GROUPS: Final = _groups()


def strangers(one: Name, other: Name) -> bool:
    """Whether both have first names, and these are two people's. Nor are they where first and last are only the other way round."""
    if one.first is None or other.first is None or not differ(one.first, other.first):
        return False
    return not (one.first == other.last and other.first == one.last)


@lru_cache(maxsize=1 << 18)
def differ(one: str, other: str) -> bool:
    """Whether two first names are two people's: some word of the one with fewer words is like none of the other's.

    Of as many words each, either may be the one.
    """
    few, many = sorted((_words(one), _words(other)), key=len)
    if not few or _latin(few) != _latin(many):
        return False
    together = [{"".join(each) for each in product(*words)} for words in (few, many)]
    if together[0] & together[1]:
        return False
    within = [(few, many)] + [(many, few)] * (len(few) == len(many))
    return not any(all(any(_alike(word, each) for each in whole) for word in part) for part, whole in within)


@lru_cache(maxsize=1 << 16)
def _words(name: str) -> tuple[frozenset[str], ...]:
    """Each word of a first name with its spellings, titles left out; none where it is no name."""
    spelled = re.findall(r"[^\W\d_]+", (identifiers.name(name) or "").replace("'", ""))
    words = tuple(frozenset(_spellings(word)) for word in spelled if word not in _TITLES)
    return () if any(word & _NOBODY for word in words) or "".join(spelled) in _NOBODY else words


def _spellings(word: str) -> Iterator[str]:
    for each in (word, word.translate(_UMLAUTS)):
        plain = unicodedata.normalize("NFD", each.translate(_LETTERS))
        yield "".join(c for c in plain if not unicodedata.combining(c))


def _latin(words: tuple[frozenset[str], ...]) -> bool:
    return all(spelling.isascii() for word in words for spelling in word)


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return any(_same(*sorted(pair, key=len)) for pair in product(one, other))


def _same(short: str, long: str) -> bool:
    if len(short) == 1:
        return long.startswith(short)
    return short == long or bool(_GROUPS.get(short, frozenset()) & _GROUPS.get(long, frozenset()))
