// The words that this project doesn't use, and what it uses in their place: the list that `npm run prose` checks.
//
// `pattern` is searched in each text without regard to case, with spaces that stand for line breaks too. `except` names what looks the same and is right:
// a match is no fault if the text around it, with up to AROUND characters on either side, matches `except` at the same place. An exception is added here, not beside the text.

/** How many characters around a match `except` sees. */
export const AROUND = 40

export const WORDS = [
  {
    name: 'where-for-if',
    // WHERE, in capitals, is SQL.
    pattern: /\b[Ww]here (?=[a-z])/g,
    use: '"if" for a condition, "when" for a time; "where" is for a place',
    except:
      /\b(?:places?|points?|paths?|director(?:y|ies)|files?|lines?|hosts?|machines?|systems?|steps?|knows?|known|says?|sees?|tells?|shows?|asks?|looks?|find|out|and|is|exactly|from|to|of|or) where |where (?:to|from|else|and)\b|where (?:\S+ ){1,3}(?:lives?|lies?|leads?|goes|points?|comes? from|begins?|ends?|runs?|stands?|belongs?)\b|^\s*Where |\bwhere\b[^.]*\?/i,
  },
  {
    name: 'one-who',
    pattern: /\b(?:ones? (?:who|that)|those (?:who|that)|such a one|whoever|whomever|whom|who has|who have)\b/gi,
    use: 'the name of the actor: the holder, the waiter, the caller, the process',
    except:
      /\b(?:says|see|sees|know|knows|of|shows?|tells?|or|and|ask|asks|out|at|by|only|just|process|user|caller|author|person|people|users|processes) who ha|\bwho (?:has|have)[^.]*\?/i,
  },
  {
    name: 'is-no',
    pattern: /\b(?:is|are|was|were|be|been) no (?=[a-z])/gi,
    use: '"isn\'t a", "has no"',
    except:
      /\bthere (?:is|are|was|were) no |\bthere (?:can|may|must|need|will|should) be no | no (?:longer|more|less|later|earlier|other|different|greater|such|better|worse|faster|slower|bigger|smaller) /i,
  },
  { name: 'mend', pattern: /\bmend(?:s|ed|ing)?\b/gi, use: 'fix, repair' },
  { name: 'call-off', pattern: /\bcall(?:s|ed|ing)? (?:it )?off\b/gi, use: 'cancel' },
  { name: 'bury', pattern: /\b(?:bury|buries|buried|burying)\b/gi, use: 'remove stale entries' },
  { name: 'sweep-the-dead', pattern: /\bsweep(?:s|ing)? the dead\b|\bswept\b/gi, use: 'remove stale entries' },
  {
    name: 'the-dead',
    pattern: /\bthe dead\b(?! (?:socket|process|ticket|holder|waiter|entr|member|one))/gi,
    use: 'stale entries, dead processes',
  },
  { name: 'come-to-nothing', pattern: /\b(?:comes?|came|coming) to nothing\b/gi, use: 'fail' },
  {
    name: 'told',
    pattern: /\b(?:is|are|was|were|be|been|being|gets?) (?:not |never |also )?told\b/gi,
    use: 'notified',
    except: /\btold (?:from|apart|by (?:its|their))\b/i,
  },
  { name: 'rob', pattern: /\brob(?:s|bed|bing)?\b/gi, use: 'steal, or: a live holder never loses its lock' },
  { name: 'give-back', pattern: /\bg(?:ives?|iven|iving|ave) (?:it |them )?back\b/gi, use: 'release, return' },
  { name: 'let-go', pattern: /\blet(?:s|ting)? (?:it )?go\b/gi, use: 'release' },
  { name: 'for-ever', pattern: /\bfor ever\b/gi, use: 'forever, without a limit' },
  {
    name: 'witness',
    pattern: /\bwitness(?:es|ed)?\b/gi,
    use: 'say what happens: the kernel closes the socket',
    // The term of docs/glossary.md, and the module that is named after it.
    except: /\bwitness\.ts\b|^witness$|\bticket, witness and bell\b/i,
  },
  { name: 'tells-all', pattern: /\btells? all\b/gi, use: '"Full reference:"' },
  { name: 'lets-in-whom', pattern: /\blets? in wh/gi, use: 'starts' },
  { name: 'nonsense', pattern: /\bnonsense\b/gi, use: 'malformed' },
  { name: 'learn', pattern: /\b(?:learns?|learnt|learned) (?:of|that)\b/gi, use: 'is notified, finds out' },
  { name: 'by-all-that', pattern: /\bby all that\b/gi, use: 'as far as this process can know' },
]
