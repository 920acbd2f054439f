"""An invented language: words from a seeded Markov chain of syllables, used with Zipf's frequencies."""

import itertools
import random

ONSETS = "b br c ch d dr f fl g gr h j k l m n p pl pr qu r s sh st t th tr v w y z".split() + ["", "", ""]
VOWELS = "a e i o u ai ea ie oo ou".split()
CODAS = ["", "", "", "", "l", "m", "n", "nd", "r", "rt", "s", "st", "t", "ck", "ng"]
ACCENTED = {"a": "äáå", "e": "éè", "i": "íï", "o": "öøó", "u": "üú"}


class Language:
    """Draws words, sentences and names; the same seed says the same things."""

    def __init__(self, seed, size=12000):
        dice = random.Random(seed)
        # The chain: each syllable prefers a few successors, so that words share stems and endings.
        syllables = sorted({dice.choice(ONSETS) + dice.choice(VOWELS) + dice.choice(CODAS) for _ in range(700)})
        after = {syllable: dice.sample(syllables, 9) for syllable in syllables}
        words = {}
        while len(words) < size:
            syllable = dice.choice(syllables)
            word = syllable
            while len(word) < 13 and dice.random() < 0.52:
                syllable = dice.choice(after[syllable])
                word += syllable
            words.setdefault(word)
        # Short words first, as in real languages the frequent words are short.
        self.words = sorted(words, key=lambda word: len(word) + dice.random() * 4)
        self.foreign = [self._accent(word, dice) if dice.random() < 0.35 else word for word in self.words]
        self._weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(size)))

    @staticmethod
    def _accent(word, dice):
        return "".join(dice.choice(ACCENTED[c]) if c in ACCENTED and dice.random() < 0.5 else c for c in word)

    def draw(self, dice, count, foreign=False):
        """`count` words by Zipf's law; `foreign` words carry accents."""
        return dice.choices(self.foreign if foreign else self.words, cum_weights=self._weights, k=count)

    def text(self, dice, size, foreign=False):
        """Paragraphs of sentences, about `size` characters, lines of at most 72 with LF ends."""
        words = self.draw(dice, size // 5 + 4, foreign)
        lines, line, column, total, left, start = [], [], 0, 0, dice.randint(5, 18), True
        for word in words:
            if start:
                word, start = word.capitalize(), False
            left -= 1
            if left <= 0:
                word += dice.choice("....?!")
                left, start = dice.randint(5, 18), True
            elif dice.random() < 0.06:
                word += ","
            if column + len(word) > 71:
                lines.append(" ".join(line))
                total += column
                line, column = [], 0
                if start and dice.random() < 0.35:
                    lines.append("")
                if total >= size:
                    break
            line.append(word)
            column += len(word) + 1
        lines.append(" ".join(line))
        return "\n".join(lines) + "\n"

    def name(self, dice):
        """A person's name; one in eight with accents."""
        foreign = dice.random() < 0.125
        pool = self.foreign if foreign else self.words
        return " ".join(dice.choice(pool[300:]).capitalize() for _ in range(2))
