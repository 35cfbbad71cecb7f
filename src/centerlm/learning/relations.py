"""Sub-questions of the form "X >> relation" as the sentences people ask.

Part of the human decompositions of MuSiQue (Trivedi et al., 2022) are written as a subject and a
Wikidata relation. Nobody asks a library that way; this rewriting is applied by the reader of that
guidance, and knows nothing of libraries or plans. References such as `#1` stay as they are.
"""

from __future__ import annotations

import re

_SEPARATOR = re.compile(r"\s*>>\s*")

# Wikidata relation -> question; {} is the subject.
_QUESTIONS = {
    "applies to jurisdiction": "Which jurisdiction does {} apply to?",
    "architect": "Who was the architect of {}?",
    "author": "Who is the author of {}?",
    "award received": "Which award did {} receive?",
    "basin country": "Which country is the basin of {} in?",
    "capital": "What is the capital of {}?",
    "capital of": "What is {} the capital of?",
    "cast member": "Who is in the cast of {}?",
    "cause of death": "What did {} die of?",
    "characters": "Which characters are in {}?",
    "child": "Who is the child of {}?",
    "composer": "Who composed the music of {}?",
    "conflict": "In which conflict or war was {}?",
    "contains administrative territorial entity": "Which district or place is in {}?",
    "continent": "On which continent is {}?",
    "country": "Which country is {} in?",
    "country of citizenship": "Of which country is {} a citizen?",
    "country of origin": "Which country does {} come from?",
    "creator": "Who created {}?",
    "crosses": "What does {} cross?",
    "date of birth": "When was {} born?",
    "date of death": "When did {} die?",
    "developer": "Who developed {}?",
    "director": "Who directed {}?",
    "distributor": "Who distributed {}?",
    "editor": "Who edited {}?",
    "educated at": "Where was {} educated, at which school or university?",
    "employer": "Who employed {}; where did {} work?",
    "ethnic group": "To which ethnic group does {} belong?",
    "father": "Who is the father of {}?",
    "field of work": "In which field did {} work?",
    "followed by": "What came after {}?",
    "follows": "What came before {}?",
    "founded by": "Who founded {}?",
    "genre": "What is the genre of {}?",
    "has part": "What is part of {}?",
    "head of government": "Who is the head of government of {}?",
    "head of state": "Who is the head of state of {}?",
    "headquarters location": "Where is the headquarters of {}?",
    "inception": "When was {} founded?",
    "instance of": "What kind of thing is {}?",
    "instrument": "Which instrument does {} play?",
    "language of work or name": "In which language is {}?",
    "languages spoken, written or signed": "Which language does {} speak?",
    "league": "In which league does {} play?",
    "legislative body": "What is the legislative body of {}?",
    "licensed to broadcast to": "Which city is {} licensed to broadcast to?",
    "located in or next to body of water": "Which body of water is {} located in or next to?",
    "located in the administrative territorial entity": (
        "In which county, district, state or province is {} located?"
    ),
    "located on street": "On which street is {}?",
    "located on terrain feature": "On which island, mountain or land feature is {} located?",
    "location": "Where is {} located?",
    "location of formation": "Where was {} formed?",
    "lyrics by": "Who wrote the lyrics of {}?",
    "manufacturer": "Who manufactures {}?",
    "member of": "Of which group is {} a member?",
    "member of political party": "Of which political party is {} a member?",
    "member of sports team": "For which sports team did {} play?",
    "military branch": "In which branch of the military did {} serve?",
    "mother": "Who is the mother of {}?",
    "mouth of the watercourse": "Into which river or sea does {} flow; where is its mouth?",
    "named after": "Who or what is {} named after?",
    "narrative location": "Where is {} set?",
    "native language": "What is the native language of {}?",
    "occupation": "What is the occupation of {}?",
    "operator": "Who operates {}?",
    "original language of film or tv show": "In which language was {} made?",
    "original network": "Which network first broadcast {}?",
    "original broadcaster": "Which network first broadcast {}?",
    "owned by": "Who owns {}?",
    "parent organization": "What is the parent organization of {}?",
    "part of": "What is {} part of?",
    "performer": "Who is the performer of {}?",
    "place of birth": "Where was {} born?",
    "place of burial": "Where is {} buried?",
    "place of death": "Where did {} die?",
    "platform": "On which platform does {} run?",
    "position held": "Which position did {} hold?",
    "position played on team / speciality": "Which position does {} play?",
    "producer": "Who produced {}?",
    "production company": "Which company produced {}?",
    "publication date": "When was {} published?",
    "publisher": "Who published {}?",
    "record label": "Which record label released {}?",
    "religion": "What is the religion of {}?",
    "residence": "Where does {} live?",
    "screenwriter": "Who wrote the screenplay of {}?",
    "shares border with": "What does {} share a border with?",
    "sibling": "Who is a brother or sister of {}?",
    "sport": "Which sport is {} about?",
    "spouse": "Who is {} married to?",
    "start time": "When did {} start?",
    "subclass of": "What kind of thing is {}?",
    "twinned administrative body": "Which place is {} twinned with?",
    "work location": "Where did {} work?",
}


def relation_to_question(text: str) -> str:
    """ "X >> place of birth" becomes "Where was X born?"; any other text comes back unchanged.

    A relation without a sentence of its own becomes "What is the RELATION of X?". A chain
    "X >> a >> b" asks for b of (the a of X).
    """
    subject, *relations = (part.strip() for part in _SEPARATOR.split(text))
    if not subject or not relations or not all(relations):
        return text
    for relation in relations[:-1]:
        subject = f"the {relation} of {subject}"
    name = " ".join(relations[-1].rstrip("?. ").lower().split())
    if question := _QUESTIONS.get(name):
        return question.replace("{}", subject)
    return f"What is the {relations[-1].rstrip('?. ')} of {subject}?"


def is_relation(text: str) -> bool:
    """Whether a sub-question is written as "X >> relation"."""
    return relation_to_question(text) != text
