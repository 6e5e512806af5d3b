"""Whether the names of two accounts may be one person's: accents, initials, nicknames, prefixes and word order aside.

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


# Short forms in use for each other, a line for each: our own list of the usual ones, without claim to be whole.
_NICKNAMES: Final = """
abigail abby gail
alan allan allen al
albert al bert bertie
alexander alexandra alexandre alejandro alessandro alex sandra sandro sasha sascha xander
alfred alf fred freddie
andrew andreas andre andy drew andi
anna anne ann annie anya anja nan nancy hannah
anthony antonio anton tony toni
barbara barb babs
benjamin ben benny
bernard bernhard bernie bernd
caroline carolyn carol carrie lina
catherine katherine katharina katarina kathleen kate katie kathy cathy kat kathi katja kitty
charles carlos karl carl charlie chuck
christina christine kristina christa chris tina kris
christopher christian christoph chris kit
daniel daniela danielle dan danny dani
david dave davey
deborah debra deb debbie
dmitri dmitry dima mitya
donald don donny
dorothy dorothea dot dottie dolly dora
edward eduard eduardo ed eddie ned ted teddy
elizabeth elisabeth elisabetta isabel isabella beth betty liz lizzie libby eliza elsa elise lisa lisbeth sissi
eugene gene eugen
florian flo
frances francis francesca francesco franz fran frank frankie franzi franziska
frederick friedrich fred freddy fritz
gabriel gabriele gabriela gabrielle gabe gabi gaby
george georg jorge giorgio georgie schorsch
gerald gerard gerhard gerry jerry gerd
giuseppe pino peppe beppe
gregory greg gregor
guglielmo william wilhelm guillermo guillaume bill billy will willie willy liam memo
henry heinrich enrique hank harry hal heinz heiner
ignacio nacho
irina ira
ivan vanya johann
jacob jakob jake james jim jimmy jamie
jeffrey geoffrey jeff geoff
jennifer jen jenny jenna
jessica jess jessie
john johannes johann hans jan juan jean giovanni ian jack johnny jon hannes
jonathan jon johnny nathan
joseph josef jose joe joey jo pepe sepp
josephine jo josie fina josefine
judith judy jutta
julia juliane julie jule jules
kenneth ken kenny
lawrence laurence lorenz lorenzo larry lars
leonard leonardo leo lenny len
louis luis luigi ludwig lou louie lui
madeleine madeline maddie lena
magdalena magda lena leni
margaret margarete margarita marguerite maggie meg peggy greta gretchen rita marge margot daisy
maria marie mary mia maja marianne mimi molly polly mitzi
martha marta patty
matthew matthias mathias matteo mateo matt matty
maximilian maxim max
michael michel miguel mikhail mike mick mickey micha misha
natalia natalie natasha nat natascha
nicholas nicolas nikolaus nikolai nick nicky klaus kolya nico niko
olga olya
patricia pat patty tricia trish
patrick pat paddy rick
paul pablo paolo pavel pasha
peter pedro pietro pierre petr pete
philip philipp felipe filippo phil pip
rebecca becky becca
richard ricardo riccardo rich rick ricky dick dickie
robert roberto rupert bob bobby rob robbie bert
ronald ron ronnie
rosemary rosemarie rose rosie romy
samuel samantha sam sammy
sarah sara sally sadie
sebastian bastian seb basti
sergei serge seryozha
stefan stephan stephen steven esteban stefano etienne steve stevie
stephanie stefanie steffi steph
susan susanne susanna suzanne sue susie suzy susi
svetlana sveta
tatiana tanya tanja
theodore theodor theo ted teddy
theresa teresa therese terry tess resi
thomas tomas tommaso tom tommy
timothy tim timmy
ulrich uli ulrike ulli
valentina valya
victoria vicky tori viktoria
vincent vincenzo vince vinny
vladimir vova volodya
walter walt wally
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
    for number, line in enumerate(_NICKNAMES.split("\n")):
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
    """Whether two first names are two people's: some word of the one with fewer words is like none of the other's."""
    few, many = sorted((_words(one), _words(other)), key=len)
    if not few or _latin(few) != _latin(many):
        return False
    together = [{"".join(each) for each in product(*words)} for words in (few, many)]
    if together[0] & together[1]:
        return False
    return not all(any(_alike(word, each) for each in many) for word in few)


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
    if len(short) == 1 or len(short) >= 3:
        return long.startswith(short) or bool(_GROUPS.get(short, frozenset()) & _GROUPS.get(long, frozenset()))
    return short == long or bool(_GROUPS.get(short, frozenset()) & _GROUPS.get(long, frozenset()))
