/*
 * Stealing named locks as a model for Spin: src/engines/local/names/steal.ts, with the part of src/requests/ by which requests share a ticket.
 * README.md beside this file says which label is which function, what is checked, and what is left out.
 *
 * A victim with several requests, which may share a ticket; a waiter with one; one or two thieves. All claims are exclusive. Each
 * labelled `atomic { … }` is one step, and between two steps anything may happen. How a ticket joins, and who wakes whom, is acquire.pml's
 * matter: here a ticket joins in one step, and whoever is blocked lists again as soon as that would show something new.
 *
 * -DREQUESTS=n of the victim     -DWAITERS=0 no waiter    -DTHIEVES=2 two thieves    -DCRASHES=n kill -9    -DABORTS=n called off
 * -DSLOW_LISTS=1 a listing takes two steps                 -DONLY=name one check alone
 */
#ifndef REQUESTS
#define REQUESTS 2
#endif
#ifndef WAITERS
#define WAITERS 1
#endif
#ifndef THIEVES
#define THIEVES 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef ABORTS
#define ABORTS 0
#endif
#ifndef SLOW_LISTS
#define SLOW_LISTS 0
#endif

/* A request has the number of the ticket that it takes, if it takes one. Members: 0 the victim, 1 the waiter, then the thieves. */
#define MOST 6
#define BIT(n) (1 << (n))
#define WAITER REQUESTS
#define FIRST_THIEF (REQUESTS + 1)
#define OWNED(members) \
  (((members) & 1) * (BIT(REQUESTS) - 1) | (((members) >> 1) & 1) << WAITER | ((members) >> 2) << FIRST_THIEF)
#define OF_THIEVES ((BIT(THIEVES) - 1) << FIRST_THIEF)
#define ARE_MANY(mask) (((mask) & ((mask) - 1)) != 0)

/* The directory: tickets, and of each those whose names sort before it; and which marks there are. */
byte there, marksH, marksM, marksS;
byte ahead[MOST];

byte alive; /* members */
byte done;  /* members that have nothing more to do */

/* In the memory of the owner of each ticket. */
byte isHolder, isCrowded, isRobbed;
byte waiting, turn, held; /* the states of tickets: waiting; its turn has come; held. `turn` is between becomeHolder and becomeHeld */
byte party[MOST];         /* the requests that wait or hold by it */
byte waits, holds;        /* the states of requests */

/* Only the checks look at this: who waited when a request took its place. */
byte earlier[MOST];

#ifdef ONLY
#define UNCHECKED 1
#else
#define UNCHECKED 0
#endif
hidden byte EXCLUSION = UNCHECKED, ORDER = UNCHECKED, REMOVAL = UNCHECKED, AWAKE = UNCHECKED, LITTER = UNCHECKED;

byte crashes = CRASHES;
byte aborts = ABORTS;

/* Scratch: no step looks at what another one left in these. */
hidden byte here, set;

#define IS_ALIVE(m) (alive & BIT(m))
#define STEP \
  if \
  :: !IS_ALIVE(me) -> goto over \
  :: else \
  fi

inline pick(mask) {
  if
  :: (mask) & 1 -> here = 0
  :: (mask) & 2 -> here = 1
  :: (mask) & 4 -> here = 2
  :: (mask) & 8 -> here = 3
  :: (mask) & 16 -> here = 4
  :: (mask) & 32 -> here = 5
  fi
}
#define LOWEST(mask) \
  (((mask) & 1) -> 0 : (((mask) & 2) -> 1 : (((mask) & 4) -> 2 : (((mask) & 8) -> 3 : (((mask) & 16) -> 4 : 5)))))
#define HIGHEST(mask) \
  (((mask) & 32) -> 5 : (((mask) & 16) -> 4 : (((mask) & 8) -> 3 : (((mask) & 4) -> 2 : (((mask) & 2) -> 1 : 0)))))

/* Links `t` behind those in `before`, and ahead of all others. */
#define MOVE(u) ahead[u] = ahead[u] | (((there & ~(before)) >> (u)) & 1) << (t)
inline insert(t, before) {
  set = (before) & there;
  MOVE(0); MOVE(1); MOVE(2); MOVE(3); MOVE(4); MOVE(5);
  ahead[t] = set;
  there = there | BIT(t)
}
inline takeOut(t) {
  there = there & ~BIT(t);
  ahead[0] = ahead[0] & ~BIT(t); ahead[1] = ahead[1] & ~BIT(t); ahead[2] = ahead[2] & ~BIT(t);
  ahead[3] = ahead[3] & ~BIT(t); ahead[4] = ahead[4] & ~BIT(t); ahead[5] = ahead[5] & ~BIT(t);
  ahead[t] = 0
}
#define ANY_BEHIND(t) ((ahead[0] | ahead[1] | ahead[2] | ahead[3] | ahead[4] | ahead[5]) & BIT(t))

#if SLOW_LISTS
/* What comes or goes between the two steps of a listing is missed. */
#define SHOWN (seen & there)
#define SHOWN_H (seen & marksH)
#else
#define SHOWN there
#define SHOWN_H marksH
#endif

/* Whether it is the turn of `t`: the dead are stepped over. */
#define IS_TURN(t, shown) (!((shown) & ahead[t] & OWNED(alive)))
/* Whether a ticket that waits would see something new. */
#define IS_NEWS(t) (((waiting >> (t)) & 1) && (!(there & BIT(t)) || IS_TURN(t, there)))
#define NEWS \
  (IS_NEWS(0) | IS_NEWS(1) << 1 | IS_NEWS(2) << 2 | IS_NEWS(3) << 3 | IS_NEWS(4) << 4 | IS_NEWS(5) << 5)

/* Requests whose turn had come when they were robbed, and that do not know either yet. */
#define IS_DUE(t) (((((turn | waiting & isHolder) & ~marksH) >> (t)) & 1) * BIT(LOWEST(party[t])))
#define DUE (IS_DUE(0) | IS_DUE(1) | IS_DUE(2) | IS_DUE(3) | IS_DUE(4) | IS_DUE(5))

/* A request begins to hold by a ticket. Whoever has lost its `-h` holds no longer, and hears of it. */
inline grant(ticket, asker) {
  assert(EXCLUSION || !(marksH & BIT(ticket)) || !(held & marksH & OWNED(alive) & ~BIT(ticket)));
  assert(ORDER || !(earlier[asker] & waits & ~DUE));
  waits = waits & ~BIT(asker); holds = holds | BIT(asker)
}

proctype Client(byte me; byte first; byte count) {
  byte next = first; /* the next request that comes */
  byte t, r;
  bool joinsThen = false; /* after a withdrawal */
#if SLOW_LISTS
  byte seen;
#endif
#define MINE (OWNED(BIT(me)))

events: /* the event loop takes one thing after the other */
  atomic {
    if
    :: !IS_ALIVE(me) -> goto over
    :: IS_ALIVE(me) && next < first + count -> r = next; next++; goto come
    :: IS_ALIVE(me) && (NEWS & MINE) -> pick(NEWS & MINE); t = here; goto list
    :: IS_ALIVE(me) && (turn & MINE) -> pick(turn & MINE); t = here; goto becomeHeld
    :: IS_ALIVE(me) && (held & isHolder & ~marksH & MINE) -> pick(held & isHolder & ~marksH & MINE); t = here; goto robbed
    :: IS_ALIVE(me) && (held & isRobbed & MINE) -> pick(held & isRobbed & MINE); t = here; goto tell
    :: IS_ALIVE(me) && (held & ~isRobbed & MINE) -> pick(held & ~isRobbed & MINE); t = here; goto release
    :: IS_ALIVE(me) && aborts > 0 && (waits & MINE) -> aborts--; pick(waits & MINE); r = here; goto callOff
    :: IS_ALIVE(me) && next == first + count && !((waiting | turn | held) & MINE) -> goto over
    fi
  }

come: /* is the newest ticket of this process the last in the queue, and may another one wait by it? */
  atomic {
    STEP;
    set = (waiting | turn | held) & MINE;
    t = HIGHEST(set);
    if
    :: set == 0 || !(there & BIT(t)) || ANY_BEHIND(t) -> goto join
    :: else -> earlier[r] = waits
    fi;
    if
    :: isRobbed & ~isCrowded & BIT(t) -> goto join
    :: !(isRobbed & BIT(t)) && (isHolder & ~isCrowded & BIT(t)) -> goto crowd
    :: else -> goto takeIn
    fi
  }
crowd: /* makes -m */
  atomic {
    STEP;
    if
    :: there & BIT(t) -> marksM = marksM | BIT(t); isCrowded = isCrowded | BIT(t)
    :: else
    fi
  }
crowd_look: /* then looks for -h */
  atomic {
    STEP;
    if
    :: isCrowded & marksH & BIT(t) -> goto takeIn
    :: else
    fi
  }
crowd_back:
  atomic { STEP; marksM = marksM & ~BIT(t); isCrowded = isCrowded & ~BIT(t); joinsThen = true; goto robbed }
takeIn:
  atomic { STEP; party[t] = party[t] | BIT(r); waits = waits | BIT(r); goto events }
join:
  atomic {
    STEP;
    insert(r, there);
    earlier[r] = waits; party[r] = BIT(r); waits = waits | BIT(r); waiting = waiting | BIT(r);
    goto events
  }

list:
#if SLOW_LISTS
  atomic { STEP; seen = there }
list_read:
#endif
  atomic {
    STEP;
    if
    :: !(there & BIT(t)) -> goto rejoin
    :: (there & BIT(t)) && !IS_TURN(t, SHOWN) -> goto events
    :: else
    fi
  }
becomeHolder: /* -m, if others wait by it; of an earlier theft it may be there */
  atomic {
    STEP;
    if
    :: ARE_MANY(party[t]) && !(isCrowded & BIT(t)) -> marksM = marksM | (there & BIT(t)); isCrowded = isCrowded | (there & BIT(t))
    :: !ARE_MANY(party[t]) && (isCrowded & BIT(t)) -> marksM = marksM & ~BIT(t); isCrowded = isCrowded & ~BIT(t)
    :: else
    fi
  }
hold: /* -h */
  atomic {
    STEP;
    if
    :: !(there & BIT(t)) -> goto events
    :: else -> marksH = marksH | BIT(t); isHolder = isHolder | BIT(t)
    fi
  }
second: /* lists once more */
#if SLOW_LISTS
  atomic { STEP; seen = there }
second_read:
#endif
  atomic {
    STEP;
    if
    :: (there & BIT(t)) && IS_TURN(t, SHOWN) -> turn = turn | BIT(t); waiting = waiting & ~BIT(t); goto events
    :: else
    fi
  }
takeBack: /* a thief is ahead */
  atomic {
    STEP;
    if
    :: marksH & BIT(t) -> marksH = marksH & ~BIT(t); isHolder = isHolder & ~BIT(t); goto events
    :: else
    fi
  }
robbedAtOnce: /* it has held, for no time */
  atomic {
    STEP;
    marksS = marksS & ~BIT(t);
    isHolder = isHolder & ~BIT(t); isRobbed = isRobbed | BIT(t); turn = turn | BIT(t); waiting = waiting & ~BIT(t);
    goto events
  }

becomeHeld:
  atomic {
    STEP;
    turn = turn & ~BIT(t); held = held | BIT(t);
    r = LOWEST(party[t]);
    grant(t, r)
  }
uncrowd: /* the last that waited by it does so no longer */
  atomic {
    STEP;
    if
    :: !ARE_MANY(party[t]) && (isHolder & isCrowded & BIT(t)) -> marksM = marksM & ~BIT(t); isCrowded = isCrowded & ~BIT(t)
    :: else
    fi;
    goto events
  }
release: /* -h says whether it still holds */
  atomic {
    STEP;
    if
    :: !(marksH & BIT(t)) -> goto robbed
    :: else -> party[t] = party[t] & ~holds; holds = holds & ~MINE
    fi;
    if
    :: party[t] != 0 -> r = LOWEST(party[t]); grant(t, r); goto uncrowd
    :: else -> held = held & ~BIT(t); goto withdraw
    fi
  }
robbed: /* it was robbed: -s goes, -m stays */
  atomic {
    STEP;
    marksS = marksS & ~BIT(t);
    isHolder = isHolder & ~BIT(t); isRobbed = isRobbed | BIT(t);
    if
    :: held & BIT(t)
    :: !(held & BIT(t)) && joinsThen -> joinsThen = false; goto join
    :: else -> goto events
    fi
  }
tell: /* whoever held has lost it; whoever waits by the ticket waits on */
  atomic {
    STEP;
    isRobbed = isRobbed & ~BIT(t); held = held & ~BIT(t);
    party[t] = party[t] & ~holds; holds = holds & ~MINE;
    if
    :: party[t] == 0 -> goto withdraw
    :: party[t] != 0 && joinsThen -> waiting = waiting | BIT(t); joinsThen = false; goto join
    :: else -> waiting = waiting | BIT(t); goto events
    fi
  }
callOff:
  atomic {
    STEP;
    waits = waits & ~BIT(r);
    t = 0;
    do
    :: party[t] & BIT(r) -> break
    :: else -> t++
    od;
    party[t] = party[t] & ~BIT(r);
    if
    :: party[t] == 0 -> waiting = waiting & ~BIT(t); turn = turn & ~BIT(t); goto withdraw
    :: party[t] != 0 && (held & BIT(t)) -> goto uncrowd
    :: else -> goto events
    fi
  }
withdraw: /* -m */
  atomic { STEP; marksM = marksM & ~BIT(t); isCrowded = isCrowded & ~BIT(t); isRobbed = isRobbed & ~BIT(t) }
withdraw_h:
  atomic {
    STEP;
    if
    :: !(isHolder & BIT(t)) -> goto withdraw_name
    :: (isHolder & BIT(t)) && (marksH & BIT(t)) -> marksH = marksH & ~BIT(t); isHolder = isHolder & ~BIT(t); goto withdraw_name
    :: else -> isHolder = isHolder & ~BIT(t)
    fi
  }
withdraw_s:
  atomic { STEP; marksS = marksS & ~BIT(t) }
withdraw_name:
  atomic {
    STEP;
    takeOut(t);
    if
    :: joinsThen -> joinsThen = false; goto join
    :: else -> goto events
    fi
  }
rejoin: /* its name is gone: at the end. Where the protocol is sound, this is never reached with a place to lose */
  atomic {
    STEP;
    marksM = marksM & ~BIT(t); marksH = marksH & ~BIT(t); marksS = marksS & ~BIT(t);
    isCrowded = isCrowded & ~BIT(t); isHolder = isHolder & ~BIT(t);
    insert(t, there);
    goto events
  }

over:
  atomic { t = 0; r = 0; done = done | BIT(me) }
}

proctype Thief(byte me; byte t) {
  byte known; /* thieves that were there when it chose its number */
  byte todo;  /* whom it is about to rob */
  byte victim;
#if SLOW_LISTS
  byte seen;
#endif

number:
  atomic { STEP; known = there & OF_THIEVES }
link: /* ahead of all that were there; of another thief that came since, ahead or behind */
  atomic {
    STEP;
    set = there & OF_THIEVES & ~known;
    if
    :: insert(t, 0)
    :: set != 0 -> pick(set); insert(t, ahead[here] | BIT(here))
    fi
  }
joined:
  atomic {
    STEP;
    if
    :: there & ahead[t] -> takeOut(t); goto number /* in two steps in the code; nobody heeds it between them */
    :: else
    fi
  }
rob: /* lists, and robs all behind it that have -h */
#if SLOW_LISTS
  atomic { STEP; seen = marksH }
rob_read:
#endif
  atomic { STEP; todo = SHOWN_H & ~ahead[t] & ~BIT(t) }
robOne: /* renames -h to -s. Where both are links of one socket, rename(2) does nothing */
  atomic {
    STEP;
    if
    :: todo == 0 -> victim = 0; goto hold
    :: else -> pick(todo); victim = here; todo = todo & ~BIT(victim)
    fi;
    if
    :: !(marksH & BIT(victim)) -> goto robOne
    :: (marksH & BIT(victim)) && (marksS & BIT(victim))
    :: else -> marksH = marksH & ~BIT(victim); marksS = marksS | BIT(victim)
    fi
  }
robOne_look: /* then looks for -m */
  atomic {
    STEP;
    if
    :: marksM & BIT(victim) -> goto robOne
    :: else
    fi
  }
robOne_unlink:
  atomic {
    STEP;
    if
    :: there & BIT(victim) ->
      assert(REMOVAL || !ARE_MANY(party[victim])); /* nobody but who held, or was about to, stood by it */
      takeOut(victim)
    :: else
    fi;
    goto robOne
  }

hold:
  atomic { STEP; marksH = marksH | BIT(t) }
second:
#if SLOW_LISTS
  atomic { STEP; seen = there }
second_read:
#endif
  atomic {
    STEP;
    party[t] = BIT(t);
    if
    :: IS_TURN(t, SHOWN) -> held = held | BIT(t); grant(t, t)
    :: else /* another thief came: it has held, for no time */
    fi
  }
leave:
  atomic {
    STEP;
    held = held & ~BIT(t); holds = holds & ~BIT(t); party[t] = 0;
    if
    :: marksH & BIT(t) -> marksH = marksH & ~BIT(t); goto leave_name
    :: else
    fi
  }
leave_s:
  atomic { STEP; marksS = marksS & ~BIT(t) }
leave_name:
  atomic {
    STEP;
    if
    :: there & BIT(t) -> takeOut(t)
    :: else
    fi
  }

over:
  atomic { known = 0; todo = 0; victim = 0; done = done | BIT(me) }
}

#if CRASHES > 0
#define FORGET(t) party[t] = party[t] & ~set
proctype Reaper() {
  do
  :: atomic {
      crashes > 0 && (alive & ~done) -> crashes--; pick(alive & ~done);
      alive = alive & ~BIT(here); set = OWNED(BIT(here));
      isHolder = isHolder & ~set; isCrowded = isCrowded & ~set; isRobbed = isRobbed & ~set;
      waiting = waiting & ~set; turn = turn & ~set; held = held & ~set; waits = waits & ~set; holds = holds & ~set;
      FORGET(0); FORGET(1); FORGET(2); FORGET(3); FORGET(4); FORGET(5)
    }
  od
}
#endif

/* When nothing more can happen. */
proctype Quiet() {
  atomic {
    timeout;
    assert(AWAKE || !(alive & ~done)); /* every request of a living process has held, or was called off */
    assert(LITTER || !((there | marksH | marksM | marksS) & OWNED(alive)))
  }
}

init {
  atomic {
#ifdef ONLY
    ONLY = 0;
#endif
    alive = BIT(2 + THIEVES) - 1;
    run Client(0, 0, REQUESTS);
#if WAITERS > 0
    run Client(1, WAITER, 1);
#else
    done = BIT(1);
#endif
    run Thief(2, FIRST_THIEF);
#if THIEVES > 1
    run Thief(3, FIRST_THIEF + 1);
#endif
#if CRASHES > 0
    run Reaper();
#endif
    run Quiet()
  }
}
