/*
 * The local engine as a model for Spin. README.md beside this file says which label is which function, what was
 * searched, what is checked, and what is left out.
 *
 * Every statement `atomic { … }` with a label is one step of one process: one call of the system, and the computing in
 * memory that follows it. Between two steps anything may happen to the others, and the process may be killed.
 *
 * A process is a *member*, with an event loop and one or two *requests*. A member's memory and its connections are
 * masks of members; the directory, and what is said of tickets, are masks of tickets. A member that is killed begins
 * again as a new one, with new tickets: no slot is used twice after a death.
 *
 * A new ticket is linked at *any* place in the order: so nothing here leans on a clock, and the number that was read long
 * before the link needs no step of its own.
 *
 * -DCLAIMS=1 exclusive, 2 exclusive and shared, 3 permits of two
 * -DPROCS=n processes       -DPAIRS=n the first n of them have two requests     -DROUNDS=n holds of each request
 * -DCRASHES=n kill -9       -DREBIRTH=0 the killed stay away                    -DSTOPS=n stopped for ever
 * -DABORTS=n called off     -DTRIES=1 any request may be a try, 2 all are       -DSTAY=1 a holder may hold for ever
 * -DKEPT=1 any connections are there from the start                             -DBUSY=1 a backlog may be full
 * -DSLOW_LISTS=1 a listing takes two steps                                      -DBELT=1 waiters look once a second
 */
#ifndef CLAIMS
#define CLAIMS 1
#endif
#ifndef PROCS
#define PROCS 3
#endif
#ifndef PAIRS
#define PAIRS 0
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef REBIRTH
#define REBIRTH 1
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef ABORTS
#define ABORTS 0
#endif
#ifndef TRIES
#define TRIES 0
#endif
#ifndef STAY
#define STAY 0
#endif
#ifndef KEPT
#define KEPT 0
#endif
#ifndef BUSY
#define BUSY 0
#endif
#ifndef SLOW_LISTS
#define SLOW_LISTS 0
#endif
#ifndef BELT
#define BELT 0
#endif

#define MEMBERS (PROCS + REBIRTH * CRASHES)
#define TICKETS (MEMBERS + PAIRS)
#define X 1 /* exclusive */
#define S 2 /* shared */
#define P 3 /* one of two permits */
#define NONE 255
#define BIT(n) (1 << (n))

/* Tickets 0 and 1 are of member 0 where it has two requests, and so on. */
#define OWNER(t) ((t) < 2 * PAIRS -> (t) / 2 : (t) - PAIRS)
#define OWN(m) ((m) < PAIRS -> 3 << (2 * (m)) : BIT((m) + PAIRS))
#define TWIN(t) ((t) < 2 * PAIRS && (t) % 2 == 1)

/* The directory. */
byte there;          /* tickets that a listing shows */
byte marked;         /* tickets with a mark beside them */
byte place[TICKETS]; /* the order of the names: 1 is first. Kept by a ticket that has left until its successors are listed */
byte claim[TICKETS];

/* The kernel. */
byte alive;           /* members that listen and run */
byte opened[MEMBERS]; /* to whom each has opened a connection, until the one end that lives has noticed that it ended */
byte unread[MEMBERS]; /* whose connection each has not accepted yet, nor read the hello of */
byte stopped;         /* members that take no step any more, but listen */

/* In the memory of each member. */
byte running;         /* members in the middle of a run of steps that their event loop does not interrupt */
byte dead[MEMBERS];   /* tickets that each has found dead */
byte busy[MEMBERS];   /* tickets whose backlog was full when each last connected */
byte told[MEMBERS];   /* tickets that each has told, and that have not looked since: they may never hear of it */
byte targets[MEMBERS]; /* tickets that each is about to tell */

/* In the memory of each request. */
byte woken;       /* tickets woken since they last listed */
byte on[TICKETS]; /* whom each waits for */
byte tries;       /* tickets of requests that never wait */
byte crowd;       /* tickets that stand for a second request of their process too */
byte entering;    /* tickets whose request is on its way into the queue */
byte started;     /* tickets that were linked once */
#if SLOW_LISTS
byte seen[TICKETS];      /* what was there when the listing under way was opened, and still is */
byte seenMarks[TICKETS];
#endif

/* What only the checks look at. */
byte holds;            /* tickets that hold */
byte joined;           /* tickets that have joined */
byte earlier[TICKETS]; /* who had joined before each */
byte crowdEarlier[TICKETS]; /* who had joined before its second request */
byte owed;             /* dead tickets that held, not shared, and that no holder has learnt of yet */
byte changed;          /* tickets that wait for one that has left: a look would show it */
bool granted;          /* somebody has held */

byte crashes = CRASHES;
byte aborts = ABORTS;
byte nextMember = PROCS;

/* Scratch, never looked at in a later step. */
hidden byte i, j, first, second, count, last, shown, shownMarks, top, here;

#define IS_ALIVE(m) (alive & BIT(m))
#define ENDS_UNNOTICED(m) (opened[m] & ~alive)
/* Whether `m` has proof that the owner of `t` lives: a connection that it opened (which may have ended unnoticed). */
#define REACHED(m, t) (OWNER(t) == m || (opened[m] & BIT(OWNER(t))))
#define PROVEN(m, t) (REACHED(m, t) || (busy[m] & BIT(t)))
/* Whether `m` has a connection to write to `b`, whoever opened it. */
#define CONNECTED(m, b) ((opened[m] & BIT(b)) || ((opened[b] & BIT(m)) && !(unread[m] & BIT(b))))
#define CAN_TELL(m, t) (OWNER(t) == m || ((shownMarks & BIT(t)) && CONNECTED(m, OWNER(t))))
#define CONFLICT(a, b) (!(claim[a] == S && claim[b] == S))

/* A step in the middle of a run. Nothing is done by the killed, or by the stopped. */
#define STEP \
  !(stopped & BIT(me)); \
  if :: !IS_ALIVE(me) -> goto killed :: else fi
/* The first step of a run: what was awaited has come, and the event loop gets to it. */
#define AWAIT(what) \
  !IS_ALIVE(me) || (!(stopped & BIT(me)) && !(running & BIT(me)) && (what)); \
  if :: !IS_ALIVE(me) -> goto killed :: else running = running | BIT(me) fi
#define REST running = running & ~BIT(me)

/* A listing, as `shown` and `shownMarks`. */
inline look(t) {
#if SLOW_LISTS
  shown = seen[t] | BIT(t); shownMarks = seenMarks[t]; seen[t] = 0; seenMarks[t] = 0
#else
  shown = there; shownMarks = marked
#endif
}

/* Somebody's ticket is no longer in the directory. */
inline takeOut(t) {
  d_step {
    assert(there & BIT(t)); /* never twice, never another one's name */
    there = there & ~BIT(t); marked = marked & ~BIT(t); joined = joined & ~BIT(t); woken = woken & ~BIT(t);
    i = 0;
    do
    :: i < TICKETS ->
      if
      :: on[i] & BIT(t) -> on[i] = on[i] & ~BIT(t); changed = changed | BIT(i)
      :: else
      fi;
      earlier[i] = earlier[i] & ~BIT(t);
      crowdEarlier[i] = crowdEarlier[i] & ~BIT(t);
#if SLOW_LISTS
      seen[i] = seen[i] & ~BIT(t); seenMarks[i] = seenMarks[i] & ~BIT(t);
#endif
      i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < MEMBERS ->
      dead[i] = dead[i] & ~BIT(t); busy[i] = busy[i] & ~BIT(t);
      told[i] = told[i] & ~BIT(t); targets[i] = targets[i] & ~BIT(t);
      i++
    :: else -> break
    od;
    on[t] = 0; earlier[t] = 0; crowdEarlier[t] = 0; changed = changed & ~BIT(t)
  }
}

/* The place of `t` is needed no longer: closes the gap. */
inline forgetPlace(t) {
  d_step {
    i = 0;
    do
    :: i < TICKETS ->
      if
      :: place[i] > place[t] -> place[i]--
      :: else
      fi;
      i++
    :: else -> break
    od;
    place[t] = 0
  }
}

/* A dead one's ticket is removed by `me`. */
inline removeDead(t) {
  assert(!IS_ALIVE(OWNER(t)));  /* REMOVAL: a living ticket is never removed by another process */
  assert(!(owed & BIT(t)));     /* RECOVERED: nor a holder's, before a new holder has learnt of it */
  takeOut(t);
  forgetPlace(t);
  claim[t] = 0
}

/* T: sets `on` to those that `t` waits for, by what is shown; 0 when it is its turn. */
inline decide(me, t) {
  d_step {
    first = NONE; second = NONE; i = 0;
    do
    :: i < TICKETS ->
      if
      :: (shown & BIT(i)) && place[i] < place[t] && !(dead[me] & BIT(i)) && CONFLICT(t, i) ->
        if
        :: first == NONE -> first = i
        :: first != NONE && place[i] > place[first] -> second = first; first = i
        :: else ->
          if
          :: second == NONE -> second = i
          :: second != NONE && place[i] > place[second] -> second = i
          :: else
          fi
        fi
      :: else
      fi;
      i++
    :: else -> break
    od;
    on[t] = 0;
    if
    :: first == NONE
    :: first != NONE && claim[t] != P -> on[t] = BIT(first)
    :: first != NONE && claim[t] == P && second != NONE -> on[t] = BIT(first) | BIT(second)
    :: first != NONE && claim[t] == P && second == NONE ->
      /* a permit is free: but is the one ahead alive? */
      if
      :: PROVEN(me, first)
      :: else -> on[t] = BIT(first)
      fi
    fi;
    changed = changed & ~BIT(t)
  }
}

/* Sets `todo` to those of `on[t]` that `me` has yet to connect to. */
inline unreached(me, t) {
  d_step {
    todo = 0; i = 0;
    do
    :: i < TICKETS ->
      if
      :: (on[t] & BIT(i)) && !REACHED(me, i) -> todo = todo | BIT(i)
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* R: whom to tell that `t` has left, by what is shown. */
inline successors(me, t) {
  d_step {
    targets[me] = 0; last = place[t]; count = 0;
    do
    ::
      /* the nearest one behind `last` that can be told */
      first = NONE; i = 0;
      do
      :: i < TICKETS ->
        if
        :: (shown & BIT(i)) && place[i] > last && !(dead[me] & BIT(i)) && CAN_TELL(me, i) ->
          if
          :: first == NONE -> first = i
          :: first != NONE && place[i] < place[first] -> first = i
          :: else
          fi
        :: else
        fi;
        i++
      :: else -> break
      od;
      if
      :: first == NONE -> break
      :: first != NONE && count > 0 && claim[t] == X && claim[first] == X -> break
      :: else ->
        targets[me] = targets[me] | BIT(first); last = place[first]; count++;
        if
        :: claim[t] == S || (claim[t] == P && count == 2) || (claim[t] == X && claim[first] == X) -> break
        :: else
        fi
      fi
    od
  }
}

/* Sets `here` to any of `mask`. */
inline pick(mask) {
  if
  :: (mask) & 1 -> here = 0
  :: (mask) & 2 -> here = 1
  :: (mask) & 4 -> here = 2
  :: (mask) & 8 -> here = 3
  :: (mask) & 16 -> here = 4
  fi
}

/* R: one write. It wakes the other at once: reading it later would only wake it once more. */
inline tellOne(me) {
  pick(targets[me]);
  targets[me] = targets[me] & ~BIT(here);
  if
  :: OWNER(here) != me -> told[me] = told[me] | BIT(here) /* the write may fail, which is said late */
  :: else
  fi;
  if
  :: IS_ALIVE(OWNER(here)) -> woken = woken | BIT(here)
  :: else
  fi
}

#define wakeOwn(m) woken = woken | (OWN(m) & there)

/* GRANT: what has to be true of everybody else when the request that stands by `t` begins to hold. */
inline checkGrant(t, before) {
  d_step {
    i = 0; count = 0; j = 0;
    do
    :: i < TICKETS ->
      if
      :: i != t && (holds & BIT(i)) ->
        count++;
        assert(claim[t] != X && claim[i] != X) /* EXCLUSION */
      :: else
      fi;
      if
      :: i != t && (before & BIT(i)) && IS_ALIVE(OWNER(i)) ->
        j++;
        assert(claim[t] == P || !CONFLICT(t, i)) /* ORDER: nobody who joined earlier, and lives, is in its way */
      :: else
      fi;
      i++
    :: else -> break
    od;
    assert(claim[t] != P || count < 2); /* EXCLUSION */
    assert(claim[t] != P || j < 2)      /* ORDER */
  }
}

/* Sets `count` to the dead ahead of `t` that `me` knows of; shared ones broke nothing. */
inline deadAhead(me, t) {
  d_step {
    count = 0; i = 0;
    do
    :: i < TICKETS ->
      if
      :: (dead[me] & BIT(i)) && place[i] < place[t] && claim[i] != S -> count = count | BIT(i)
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* Sets `count` to what of `owed` this holder need not know of. */
inline excused(me, t) {
  d_step {
    count = 0; i = 0;
    do
    :: i < TICKETS ->
      if
      :: claim[t] == P && PROVEN(me, i) -> count = count | BIT(i)
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* The kernel closes what a member had open. What others have to notice stays in `opened`. */
inline close(m) {
  d_step {
    alive = alive & ~BIT(m); running = running & ~BIT(m); stopped = stopped & ~BIT(m);
    dead[m] = 0; busy[m] = 0; told[m] = 0; targets[m] = 0; unread[m] = 0;
    opened[m] = opened[m] & alive;
    i = 0;
    do
    :: i < MEMBERS ->
      if
      :: !IS_ALIVE(i) -> opened[i] = opened[i] & alive & ~BIT(m)
      :: else
      fi;
      i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < TICKETS ->
      if
      :: OWNER(i) == m ->
        if
        :: (holds & BIT(i)) && claim[i] != S -> owed = owed | BIT(i)
        :: else
        fi;
        holds = holds & ~BIT(i); woken = woken & ~BIT(i); tries = tries & ~BIT(i);
        crowd = crowd & ~BIT(i); entering = entering & ~BIT(i); changed = changed & ~BIT(i); joined = joined & ~BIT(i);
        on[i] = 0; earlier[i] = 0; crowdEarlier[i] = 0;
#if SLOW_LISTS
        seen[i] = 0; seenMarks[i] = 0;
#endif
        j = 0;
        do
        :: j < TICKETS -> earlier[j] = earlier[j] & ~BIT(i); crowdEarlier[j] = crowdEarlier[j] & ~BIT(i); j++
        :: else -> break
        od;
        if
        :: !(there & BIT(i)) ->
          if
          :: place[i] != 0 -> /* it had left, and was about to tell */
            j = 0;
            do
            :: j < TICKETS ->
              if
              :: place[j] > place[i] -> place[j]--
              :: else
              fi;
              j++
            :: else -> break
            od;
            place[i] = 0
          :: else
          fi;
          claim[i] = 0
        :: else
        fi
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* Sets `top` to the last place. */
inline highest() {
  d_step {
    top = 0; i = 0;
    do
    :: i < TICKETS ->
      if
      :: place[i] > top -> top = place[i]
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* `t` is in the directory from now on, at the place `here`. */
inline insert(t) {
  d_step {
    i = 0;
    do
    :: i < TICKETS ->
      if
      :: place[i] >= here -> place[i]++
      :: else
      fi;
      i++
    :: else -> break
    od;
    place[t] = here; there = there | BIT(t)
  }
}

/* Sets `count` to how many are shown behind `t`. */
inline behind(t) {
  d_step {
    count = 0; i = 0;
    do
    :: i < TICKETS ->
      if
      :: (shown & BIT(i)) && place[i] > place[t] -> count++
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* L: nobody listens at `t`. */
inline found(me, t) {
  assert(!IS_ALIVE(OWNER(t))); /* DEATH: the living are never taken for dead */
  dead[me] = dead[me] | BIT(t)
}

/* `t` has listed: whoever told it need not tell again. */
inline hasLooked(t) {
  d_step {
    i = 0;
    do
    :: i < MEMBERS -> told[i] = told[i] & ~BIT(t); i++
    :: else -> break
    od
  }
}

/* Y: sets `count` to 2 when all that `t` waits for live and wait themselves, to 1 when they live, and else to 0. */
inline certainly(me, t) {
  d_step {
    count = 2; i = 0;
    do
    :: i < TICKETS ->
      if
      :: (on[t] & BIT(i)) && !PROVEN(me, i) -> count = 0; break
      :: (on[t] & BIT(i)) && PROVEN(me, i) && !(shownMarks & BIT(i)) && OWNER(i) != me -> count = 1
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* Sets `count` to a shared ticket that `me` has found dead. */
inline deadShared(me) {
  d_step {
    count = NONE; i = 0;
    do
    :: i < TICKETS ->
      if
      :: (dead[me] & BIT(i)) && claim[i] == S -> count = i
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* R: sets `targets` to all who wait and can be told. */
inline waiting(me) {
  d_step {
    targets[me] = 0; i = 0;
    do
    :: i < TICKETS ->
      if
      :: (shown & BIT(i)) && !(dead[me] & BIT(i)) && OWNER(i) != me && CAN_TELL(me, i) -> targets[me] = targets[me] | BIT(i)
      :: else
      fi;
      i++
    :: else -> break
    od
  }
}

/* What is asked for. */
inline choose(t) {
  if
  :: CLAIMS != 3 -> claim[t] = X
  :: CLAIMS == 2 -> claim[t] = S
  :: CLAIMS == 3 -> claim[t] = P
  fi;
  if
  :: TRIES != 2
  :: TRIES != 0 -> tries = tries | BIT(t)
  fi
}

/* Members that had opened a connection to `m`, whose hello it has read, and that have ended. */
#define ENDED_BY(m, b) (b < MEMBERS && !IS_ALIVE(b) && (opened[b % MEMBERS] & BIT(m)) && !(unread[m] & BIT(b)) -> BIT(b) : 0)
#define ENDED(m) (ENDED_BY(m, 0) | ENDED_BY(m, 1) | ENDED_BY(m, 2) | ENDED_BY(m, 3) | ENDED_BY(m, 4))
/* A step of an event loop, in the middle of a run. */
#define LOOP_STEP \
  !(stopped & BIT(me)); \
  if :: !IS_ALIVE(me) -> goto hello :: else fi

/* Whether a waiter looks without having been told. */
#define LOOKS_BY_CLOCK(t) \
  ((tries & BIT(t)) /* a try looks every millisecond */ \
   || (BUSY && (busy[me] & on[t])) /* not connected yet */ \
   || (BELT && (changed & BIT(t)))) /* a look that shows nothing new changes nothing, and is left out */

/* Processes are all alike: so let them begin in their order. A second request of a process begins after the first. */
#define MAY_BEGIN(t) (PAIRS > 0 || t == 0 || t >= PROCS || (started & BIT(t - 1)))

/* The way out: the mark goes first. */
#define LEAVE marked = marked & ~BIT(t); goto unlink
#define CALL_OFF aborts--; LEAVE
#define LEFT \
  REST; \
  if \
  :: again -> again = false; goto link \
  :: else -> \
    claim[t] = 0; tries = tries & ~BIT(t); entering = entering & ~BIT(t); rounds--; \
    if \
    :: rounds > 0 -> goto link \
    :: else -> goto finish \
    fi \
  fi

/* After a decision: hold, give up, connect, mark, or sleep. */
#define GO_ON \
  if \
  :: on[t] == 0 -> goto grant \
  :: on[t] != 0 && (tries & BIT(t)) -> \
    certainly(me, t); \
    if \
    :: count == 2 -> LEAVE /* null: they live, and do not just join */ \
    :: count >= 1 -> LEAVE /* so says the clock, of one that has no mark */ \
    :: count <= 1 \
    fi \
  :: else \
  fi; \
  unreached(me, t); \
  if \
  :: todo != 0 -> goto connect \
  :: todo == 0 && !(marked & BIT(t)) -> REST; goto mark \
  :: else -> REST; asleep = true; goto list \
  fi

proctype Request(byte me; byte t) {
  byte rounds = ROUNDS;
  byte todo = 0;       /* whom it is about to connect to */
  bool again = false;  /* it withdraws only to join again */
  bool asleep = false; /* it has nothing to do but to wait */

  if
  :: TWIN(t) -> goto come
  :: else
  fi;

link: /* J: link, at any place */
  atomic {
    AWAIT(MAY_BEGIN(t));
    if
    :: claim[t] == 0 -> choose(t)
    :: else
    fi;
    started = started | BIT(t); entering = entering | BIT(t);
    highest();
    here = 1;
    do
    :: here <= top -> here++
    :: break
    od;
    insert(t)
  }
#if SLOW_LISTS
join_open:
  atomic { STEP; seen[t] = there; seenMarks[t] = marked }
#endif
join_list: /* J: list; T: whose turn? */
  atomic {
    STEP;
    look(t);
    behind(t);
    if
    :: count > 0 -> again = true; goto unlink /* anything behind, dead or alive: withdraw, and join again */
    :: else
    fi;
    earlier[t] = joined; joined = joined | BIT(t); entering = entering & ~BIT(t);
    if
    :: crowd & BIT(t) -> crowdEarlier[t] = earlier[t]
    :: else
    fi;
    decide(me, t);
    GO_ON
  }

connect: /* W: to one after the other; L: who refuses is dead */
  atomic {
    STEP;
    pick(todo);
    todo = todo & ~BIT(here); busy[me] = busy[me] & ~BIT(here);
    if
    :: !(on[t] & BIT(here))                                              /* ENOENT: gone */
    :: (on[t] & BIT(here)) && !IS_ALIVE(OWNER(here)) -> found(me, here)  /* ECONNREFUSED: dead */
    :: (on[t] & BIT(here)) && IS_ALIVE(OWNER(here)) ->                   /* and hello */
      opened[me] = opened[me] | BIT(OWNER(here)); unread[OWNER(here)] = unread[OWNER(here)] | BIT(me)
    :: BUSY && (on[t] & BIT(here)) && IS_ALIVE(OWNER(here)) -> busy[me] = busy[me] | BIT(here) /* EAGAIN */
    fi;
    if
    :: todo != 0 -> goto connect
    :: else -> REST
    fi
  }
mark: /* W: mark the own ticket, if it is not yet */
  atomic {
    AWAIT(true);
    if
    :: aborts > 0 -> CALL_OFF
    :: true
    fi;
#if CLAIMS == 2 && CRASHES > 0
    deadShared(me);
    if
    :: count != NONE -> here = count; removeDead(here); REST; goto mark
    :: else
    fi;
#endif
    marked = marked | BIT(t);
    REST
  }
list: /* W: asleep until woken; T: list, decide */
  atomic {
    AWAIT(!asleep || (woken & BIT(t)) || LOOKS_BY_CLOCK(t) || aborts > 0);
    if
    :: !asleep || (woken & BIT(t)) || LOOKS_BY_CLOCK(t)
    :: asleep && aborts > 0 ->
      if
      :: crowd & BIT(t) -> aborts--; crowd = crowd & ~BIT(t); crowdEarlier[t] = 0; REST; goto list
      :: else -> asleep = false; CALL_OFF
      fi
    fi;
    asleep = false; woken = woken & ~BIT(t);
#if SLOW_LISTS
    seen[t] = there; seenMarks[t] = marked
  }
list_read:
  atomic {
    STEP;
#endif
    hasLooked(t);
    look(t);
    decide(me, t);
    GO_ON
  }

grant: /* the turn has come */
  atomic {
    STEP;
    if
    :: aborts > 0 -> CALL_OFF
    :: true
    fi;
    holds = holds | BIT(t); granted = true; woken = woken & ~BIT(t);
    checkGrant(t, earlier[t]);
    deadAhead(me, t); here = count; /* recovered: somebody ahead was found dead */
    excused(me, t);
    assert(claim[t] == S || here != 0 || !(owed & ~count)); /* RECOVERED */
    if
    :: claim[t] != S && here != 0 -> owed = owed & ~here; todo = here
    :: else -> REST; goto holding
    fi
  }
bury: /* the dead ahead are removed, by one who does not share */
  atomic {
    STEP;
    pick(todo);
    todo = todo & ~BIT(here);
    if
    :: there & BIT(here) -> removeDead(here)
    :: else
    fi;
    if
    :: todo != 0 -> goto bury
    :: else -> REST
    fi
  }
holding:
  atomic {
    AWAIT(true);
    if
    :: crowd & BIT(t) -> /* S: the next request of this process, in memory */
      checkGrant(t, crowdEarlier[t]);
      crowd = crowd & ~BIT(t); crowdEarlier[t] = 0; REST; goto holding
    :: STAY && !(crowd & BIT(t)) -> REST; goto finish
    :: STAY && STOPS && !(crowd & BIT(t)) -> stopped = stopped | BIT(me); goto finish
    :: !(crowd & BIT(t)) -> LEAVE
    fi
  }

unlink: /* R: unlink. From here on it is out */
  atomic { STEP; holds = holds & ~BIT(t); takeOut(t) }
#if SLOW_LISTS
leave_open:
  atomic { STEP; seen[t] = there; seenMarks[t] = marked }
#endif
leave_list: /* R: list the successors */
  atomic {
    STEP;
    look(t);
    successors(me, t);
    forgetPlace(t);
    if
    :: targets[me] == 0 -> LEFT
    :: else
    fi
  }
leave_tell: /* R: one write after the other */
  atomic {
    STEP;
    tellOne(me);
    if
    :: targets[me] != 0 -> goto leave_tell
    :: else -> LEFT
    fi
  }

come: /* S: a second request of this process */
  atomic {
    AWAIT((started & BIT(t - 1)));
    if
    :: claim[t] == 0 -> choose(t)
    :: else
    fi;
    if
    :: claim[t] != P && claim[t] == claim[t - 1] && (entering & BIT(t - 1)) ->
      crowd = crowd | BIT(t - 1); claim[t] = 0; REST; goto finish
    :: claim[t] != P && claim[t] == claim[t - 1] && (joined & BIT(t - 1)) ->
      shown = there; behind(t - 1); /* isLast */
      if
      :: count == 0 ->
        crowd = crowd | BIT(t - 1); crowdEarlier[t - 1] = joined & ~BIT(t - 1); claim[t] = 0; REST; goto finish
      :: else -> REST; goto link
      fi
    :: else
    fi;
    REST;
    if
    :: entering & BIT(t - 1) -> goto come /* requests of one process enter in their order */
    :: else -> goto link
    fi
  }

killed: /* begins again, as a new member */
  atomic {
    if
    :: REBIRTH && nextMember < MEMBERS && !TWIN(t) ->
      me = nextMember; nextMember++; t = me + PAIRS;
      alive = alive | BIT(me); rounds = ROUNDS; todo = 0; again = false; asleep = false;
      goto link
    :: else
    fi
  }

finish: /* stays, idle: its connections are kept */
  skip
}

#define RUNNABLE (IS_ALIVE(me) && !(stopped & BIT(me)) && !(running & BIT(me)))

/* The event loop of a member, while no request of it runs. */
proctype Loop(byte me) {
hello: /* a hello is read, and answered; or the end of a connection is noticed */
  atomic {
    RUNNABLE && (unread[me] || (opened[me] & ~alive) || ENDED(me));
    if
    :: unread[me] ->
      pick(unread[me]);
      unread[me] = unread[me] & ~BIT(here);
      wakeOwn(me); /* the other one can be told from now on, which may have been too late */
      if
      :: IS_ALIVE(here) -> wakeOwn(here) /* the answer */
      :: else
      fi;
      goto hello
    :: opened[me] & ~alive -> pick(opened[me] & ~alive); opened[me] = opened[me] & ~BIT(here)
    :: ENDED(me) -> pick(ENDED(me)); opened[here] = opened[here] & ~BIT(me)
    fi;
    wakeOwn(me);
    if
    :: told[me] & OWN(here) -> told[me] = told[me] & ~OWN(here); running = running | BIT(me)
    :: else -> goto hello
    fi
  }
retell: /* R: it may never have heard: all who wait are told */
  atomic {
    LOOP_STEP;
    shown = there; shownMarks = marked;
    waiting(me);
    if
    :: targets[me] == 0 -> REST; goto hello
    :: else
    fi
  }
retell_one:
  atomic {
    LOOP_STEP;
    tellOne(me);
    if
    :: targets[me] == 0 -> REST; goto hello
    :: else -> goto retell_one
    fi
  }
}

#if CRASHES > 0
/* kill -9 */
proctype Reaper() {
  do
  :: atomic { crashes > 0 -> crashes--; pick(alive); close(here) }
  od
}
#endif

#if STOPS > 0
/* SIGSTOP, and nobody ever continues it */
proctype Stopper() {
  byte stops = STOPS;
  do
  :: atomic { stops > 0 && (alive & ~stopped) -> stops--; pick(alive & ~stopped); stopped = stopped | BIT(here) }
  od
}
#endif

/* When nothing more can happen: nobody sleeps who could hold. */
proctype Quiet() {
  atomic {
    timeout;
    d_step {
      assert(!(running & alive & ~stopped));
      i = 0;
      do
      :: i < TICKETS ->
        if
        :: (there & BIT(i)) && !(holds & BIT(i)) && IS_ALIVE(OWNER(i)) && !(stopped & BIT(OWNER(i))) ->
          count = 0; j = 0;
          do
          :: j < TICKETS ->
            if
            :: (there & BIT(j)) && place[j] < place[i] && IS_ALIVE(OWNER(j)) && CONFLICT(i, j) -> count++
            :: else
            fi;
            j++
          :: else -> break
          od;
          assert(count >= (claim[i] == P -> 2 : 1)) /* AWAKE */
        :: else
        fi;
        i++
      :: else -> break
      od;
      assert(granted || TRIES != 2 || CRASHES || ABORTS || STOPS) /* TRY: of those who try a free lock, one gets it */
    }
  }
}

init {
  byte m = 0;
  atomic {
    do
    :: m < PROCS -> alive = alive | BIT(m); m++
    :: else -> break
    od;
#if KEPT
    m = 0;
    do
    :: m < PROCS ->
      i = 0;
      do
      :: i < PROCS && i != m -> i++
      :: i < PROCS && i != m -> opened[m] = opened[m] | BIT(i); i++
      :: i == m -> i++
      :: i == PROCS -> break
      od;
      m++
    :: else -> break
    od;
#endif
    m = 0;
    do
    :: m < PROCS + PAIRS -> run Request(OWNER(m), m); m++
    :: else -> break
    od;
    m = 0;
    do
    :: m < MEMBERS -> run Loop(m); m++
    :: else -> break
    od;
#if CRASHES > 0
    run Reaper();
#endif
#if STOPS > 0
    run Stopper();
#endif
    run Quiet();
    m = 0
  }
}
