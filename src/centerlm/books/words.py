"""Lists of English words that the reading of books counts with."""

from __future__ import annotations

_MALE = """
abbe baron brother count don duke earl emperor father gaffer herr king lord m master monsieur mr
prince signor sir squire uncle
"""
MALE = frozenset(_MALE.split())
"""Honorifics of men."""

_FEMALE = """
aunt baroness countess dame duchess frau granny lady madam madame mademoiselle miss mlle mme
mother mrs ms princess queen signora signorina sister
"""
FEMALE = frozenset(_FEMALE.split())
"""Honorifics of women."""

_NEUTRAL = """
admiral bishop capt captain chief col colonel corporal cousin dean dear doctor dr gen general
inspector judge justice lieut lieutenant little lt major nurse old poor president prof professor
rev reverend senator sergeant young
"""
NEUTRAL = frozenset(_NEUTRAL.split())
"""Titles of either, and words that stand before names like titles."""

_SOFT = """
dear little old poor young
"""
SOFT = frozenset(_SOFT.split())
"""Words before a name that say nothing of who is meant."""

_JOINERS = """
de di du la le of the van von
"""
JOINERS = frozenset(_JOINERS.split())
"""Small words inside names."""

_NOT_NAMES = """
a act ah all american an and april are as august be been bible book british but can capt catholic
chapter christ christian christmas col could death december did do does dr dutch duty each easter
english englishman englishmen englishwoman european even ever every faith fate february for
fortune french frenchman frenchmen frenchwoman friday gen german god good greek had has have he
heaven heavens her here his honor honour hope how i i'd i'll i'm i've if ii iii indeed indian
irish is it italian iv ix january jesus jew jewish july june latin let letter lord love ma'am
madam mama mamma march may might miss mlle mme monday mr mrs ms must my nature never no nor not
november now o october oh one only our papa part perhaps prof protestant providence reason rev
roman saturday scene scotch september shall she should sir so some spanish st such sunday that the
their then there these they this those three thursday time truth tuesday two v vi vii viii volume
was we wednesday well welsh were what when where who why will would x xi xii yes you your
"""
NOT_NAMES = frozenset(_NOT_NAMES.split())
"""Words with a capital that name nobody and no place."""

_PLACE_HEADS = """
abbey alley avenue bay bridge cape castle church city college common cottage county court end farm
field fields forest gardens glen grange green grove hall harbour heath hill hotel house inn island
lake lane lodge manor mill moor mount mountain ocean palace park place point priory rectory river
road rock row school sea shire square street terrace tower town vale valley vicarage village wharf
wood
"""
PLACE_HEADS = frozenset(_PLACE_HEADS.split())
"""Last words of names of places."""

_ENGLISH = """
a and as at but for had he her his in it not of she that the to was with
"""
ENGLISH = frozenset(_ENGLISH.split())
"""The most frequent words of English prose."""

_PAST = """
asked began came could cried did felt found gave got had heard knew left looked made said sat saw
seemed stood thought told took turned was went were would
"""
PAST = frozenset(_PAST.split())
"""Frequent verbs of a story told in the past tense."""

_PRESENT = """
am are asks begins can comes cries does feels finds gets gives goes has hears is knows leaves
looks makes says seems sees sits stands takes tells thinks turns will
"""
PRESENT = frozenset(_PRESENT.split())
"""The same in the present tense."""
