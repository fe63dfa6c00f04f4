/*
 * The next protocol of the local engine, as a model for Spin. No code of it exists: acquire.pml is the model of the code.
 * The difference: a ticket has one name from join to release (no marks), a join lists once, and a waiter sleeps without
 * another listing if its member is connected to the member ahead. README.md beside this file has the rules, what is checked,
 * what was searched, and what is left out.
 *
 * Every labelled `atomic { … }` is one step of one process: at most one system call, and the computing in memory around it.
 * Between two steps anything may happen to the others, and the process may be killed, or stopped.
 *
 * A process is a *member*, with an event loop and one request (the first process: two, with -DPAIRS=1). A request has one
 * ticket at a time. A member that is killed begins again as a new member: no slot is used again after a death.
 *
 * A ticket is linked at *any* place in the order, so nothing here depends on a clock.
 *
 * -DCLAIMS=1 exclusive, 2 exclusive and shared, 3 permits of two         -DSHARED=mask these tickets are shared (CLAIMS=2)
 * -DPROCS=n processes      -DPAIRS=1 the first one has two requests      -DROUNDS=n holds of each request
 * -DCRASHES=n kill -9      -DREBIRTH=0 the killed stay away              -DSTOPS=n stopped for ever
 * -DABORTS=n cancelled     -DTRIES=1 any request may be a try, 2 all are -DSTAY=1 a holder may hold for ever
 * -DENDS=n connections that end although both processes live            -DBUSY=n times a backlog is full (EAGAIN)
 * -DKEPT=1 any connections are there from the start, 2 or 3 those to the last process alone; with 2 it begins, with 3 it comes
 *   last; 4 as 2, but that of the first process alone
 * -DPLACES=mask these tickets are linked at any place, the others last   -DSLOW_LISTS=1 a listing takes two steps
 * -DDEAD=1 a ticket of a dead process is there from the start, 2 and the first process holds, ahead of it
 * -DBELT=1 waiters look once a second
 * -DLOOKS=1 waiters look after 1 to 50 ms until they are answered       -DLAST=1 a ticket that joins again is linked last
 * -DONLY=name one check alone
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
#ifndef ENDS
#define ENDS 0
#endif
#ifndef BUSY
#define BUSY 0
#endif
#ifndef KEPT
#define KEPT 0
#endif
#ifndef PLACES
#define PLACES 31
#endif
#ifndef SLOW_LISTS
#define SLOW_LISTS 0
#endif
#ifndef DEAD
#define DEAD 0
#endif
#ifndef BELT
#define BELT 0
#endif
#ifndef LAST
#define LAST 0
#endif
#ifndef LOOKS
#define LOOKS 0
#endif

/* Members, and tickets, are numbered from 0. A set of them is a mask. The dead ticket of -DDEAD=1 is the last one. */
#define MEMBERS (PROCS + REBIRTH * CRASHES)
#define TICKETS (MEMBERS + PAIRS + (DEAD > 0))
#define BIT(n) (1 << (n))
#define IS_ONE(mask) (((mask) & ((mask) - 1)) == 0) /* or none */
#define ALL 31
#define NONE 255

/* Over all rows of an array: take a set out of each; the rows that have `c`, as a set; what is in any row. */
#if TICKETS == 2
#define SIZE 2
#define DROP(a, mask) a[0] = a[0] & ~(mask); a[1] = a[1] & ~(mask)
#define COLUMN(a, c) ((a[0] >> (c) & 1) | (a[1] >> (c) & 1) << 1)
#define ANY(a) (a[0] | a[1])
#define EACH(X) X(0); X(1)
#elif TICKETS == 3
#define SIZE 3
#define DROP(a, mask) a[0] = a[0] & ~(mask); a[1] = a[1] & ~(mask); a[2] = a[2] & ~(mask)
#define COLUMN(a, c) ((a[0] >> (c) & 1) | (a[1] >> (c) & 1) << 1 | (a[2] >> (c) & 1) << 2)
#define ANY(a) (a[0] | a[1] | a[2])
#define EACH(X) X(0); X(1); X(2)
#elif TICKETS == 4
#define SIZE 4
#define DROP(a, mask) a[0] = a[0] & ~(mask); a[1] = a[1] & ~(mask); a[2] = a[2] & ~(mask); a[3] = a[3] & ~(mask)
#define COLUMN(a, c) ((a[0] >> (c) & 1) | (a[1] >> (c) & 1) << 1 | (a[2] >> (c) & 1) << 2 | (a[3] >> (c) & 1) << 3)
#define ANY(a) (a[0] | a[1] | a[2] | a[3])
#define EACH(X) X(0); X(1); X(2); X(3)
#else
#define SIZE 5
#define DROP(a, mask) \
  a[0] = a[0] & ~(mask); a[1] = a[1] & ~(mask); a[2] = a[2] & ~(mask); a[3] = a[3] & ~(mask); a[4] = a[4] & ~(mask)
#define COLUMN(a, c) \
  ((a[0] >> (c) & 1) | (a[1] >> (c) & 1) << 1 | (a[2] >> (c) & 1) << 2 | (a[3] >> (c) & 1) << 3 | (a[4] >> (c) & 1) << 4)
#define ANY(a) (a[0] | a[1] | a[2] | a[3] | a[4])
#define EACH(X) X(0); X(1); X(2); X(3); X(4)
#endif

/* With -DPAIRS=1 the tickets 0 and 1 are those of member 0. */
#if PAIRS
#define OWNER(t) ((t) - ((t) > 0))
#define OWNED(members) (((members) & 1) * 3 | ((members) & 30) << 1)
#else
#define OWNER(t) (t)
#define OWNED(members) (members)
#endif
#define IS_SECOND(t) (PAIRS && (t) == 1)

/* The directory. */
byte there;       /* tickets */
byte shared;      /* tickets whose claim is shared; the others are exclusive, or permits */
byte ahead[SIZE]; /* of each ticket, those whose names sort before it */
byte leaving;     /* tickets that have left, and whose place is needed until their successors are listed */

/* The kernel. */
byte alive;         /* members that run */
byte listens;       /* members that can be connected to: those that live, and for a moment those that were killed */
byte stopped;       /* members that take no step any more */
byte opened[SIZE];  /* by each member, to whom: connections that have not ended */
byte ended[SIZE];   /* of each member, to whom: connections that it opened, and that have ended, which it has yet to notice */
byte unread[SIZE];  /* of each member, by whom: connections whose hello it has yet to read */
byte inbound[SIZE]; /* of each member, by whom: connections whose hello it has read */
byte lost[SIZE];    /* of each member, by whom: such ones that have ended, which it has yet to notice */

/* In the memory of each member. */
byte running;        /* members in the middle of steps between which their event loop does not run */
byte answered[SIZE]; /* members that have answered on the connection that it opened to them */
byte dead[SIZE];     /* tickets that it has found dead */
byte busy[SIZE];     /* tickets whose backlog was full when it last connected */
byte targets[SIZE];  /* tickets that it is about to notify */
byte gone[SIZE];     /* of those, the ones that have left since they were listed */
byte after[SIZE];    /* who stood behind its last ticket that has left, and has not left since */
byte lastShared;     /* members whose last ticket that has left was shared */
byte lastQuit;       /* members whose last ticket that has left had not held */
byte toldIn[SIZE];   /* members that it has notified over a connection that came from them and has not ended */
byte toldLost[SIZE]; /* … and has ended */
byte toldOut[SIZE];  /* members that it has notified over the connection that it opened to them */

/* In the memory of each request. */
byte woken;    /* tickets that were woken since their last listing was opened */
byte on[SIZE]; /* whom each waits for; without those whose names are gone */
byte tries;    /* tickets whose request never waits */
byte started;  /* tickets whose request has begun */
byte finished; /* members whose request is done */
#if SLOW_LISTS
byte seen[SIZE]; /* by each ticket: what was there when its listing was opened */
#endif

/* Only the checks look at these. */
byte holds;         /* tickets that hold */
byte joined;        /* tickets that have joined */
byte earlier[SIZE]; /* who had joined before each */
byte changed;       /* tickets that wait for one whose name is gone */
bool granted;       /* somebody has held */

/* What is checked, by name, so that a failed assert says which it was; see README.md. With -DONLY=name the others are not. */
#ifdef ONLY
#define UNCHECKED 1
#else
#define UNCHECKED 0
#endif
hidden byte EXCLUSION = UNCHECKED, ORDER = UNCHECKED, AWAKE = UNCHECKED, DEATH = UNCHECKED;
hidden byte REMOVAL = UNCHECKED, TRY = UNCHECKED, SOUND = UNCHECKED;

byte crashes = CRASHES;
byte aborts = ABORTS;
byte ends = ENDS;
byte backlogs = BUSY;
byte nextMember = PROCS;

/* Scratch: no step looks at what another one left in these. */
hidden byte here, first, second, set, some, shown, shownAhead, i;

#define IS_ALIVE(m) (alive & BIT(m))
#define IS_SHARED(t) (shared & BIT(t))
#define CONFLICTS(t) (ALL & ~(shared * (IS_SHARED(t) != 0)))
/* Members to which `m` believes to have a connection that it opened; and from which it believes to have one. */
#define OUTBOUND(m) (opened[m] | ended[m])
#define INBOUND(m) (inbound[m] | lost[m])
/* Tickets that `m` need not connect to, since they are its own or it has opened a connection to their member. */
#define REACHED(m) OWNED(OUTBOUND(m) | BIT(m))
/* Tickets of which `m` has proof that they live: as old as its event loop is late. */
#define PROVEN(m) (REACHED(m) | busy[m])
/* Whether a notification may be lost with its connection. */
#define LOSES (CRASHES || ENDS)
#define HAS_TOLD(m) (toldIn[m] | toldLost[m] | toldOut[m])

/* A step in the middle of a run. The killed and the stopped take none. */
#define STEP \
  !(stopped & BIT(me)); \
  if \
  :: !IS_ALIVE(me) -> goto killed \
  :: else \
  fi
/* The first step of a run: the event loop has come to it, and what it waited for is there. */
#define AWAIT(what) \
  !IS_ALIVE(me) || (!((stopped | running) & BIT(me)) && (what)); \
  if \
  :: !IS_ALIVE(me) -> goto killed \
  :: else -> running = running | BIT(me) \
  fi
/* The run ends: the event loop may go on. */
#define REST running = running & ~BIT(me)

/* Sets `here` to any one of a mask. */
inline pick(mask) {
  if
  :: (mask) & 1 -> here = 0
  :: (mask) & 2 -> here = 1
  :: (mask) & 4 -> here = 2
  :: (mask) & 8 -> here = 3
  :: (mask) & 16 -> here = 4
  fi
}

/* Sets `x` to the one of `set` that is ahead of all others in it, or that is behind them. */
inline firstOfSet(x) {
  x = NONE; i = 0;
  do
  :: i < TICKETS && (set & BIT(i)) && !(ahead[i] & set) -> x = i; break
  :: i < TICKETS && !((set & BIT(i)) && !(ahead[i] & set)) -> i++
  :: else -> break
  od
}
inline lastOfSet(x) {
  x = NONE; i = 0;
  do
  :: i < TICKETS && (set & BIT(i)) && (ahead[i] & set) == (set & ~BIT(i)) -> x = i; break
  :: i < TICKETS && !((set & BIT(i)) && (ahead[i] & set) == (set & ~BIT(i))) -> i++
  :: else -> break
  od
}

/*
 * A listing. With -DSLOW_LISTS=1, an entry that comes, or goes, between its opening and its end may be in it or not. (One
 * that went and came again meanwhile, as a new ticket of the same request, is only in it as the new one.)
 */
#if SLOW_LISTS
#define OPEN_LISTING(t) seen[t] = there
#define PLACED (there | leaving | ANY(seen))
#define MAYBE (there ^ seen[t])
inline readListing(t) {
  shown = there & seen[t];
  i = 0;
  do
  :: i < TICKETS && (MAYBE & BIT(i)) -> shown = shown | BIT(i); i++
  :: i < TICKETS -> i++
  :: i == TICKETS -> break
  od;
  shownAhead = shown & ahead[t];
  seen[t] = 0
}
#else
#define PLACED (there | leaving)
inline readListing(t) { shown = there; shownAhead = there & ahead[t] }
#endif

/* Places that are needed no longer. */
#define UNPLACE(r) ahead[r] = ahead[r] & (PLACED) * ((PLACED) >> (r) & 1)
inline forgetPlaces() { EACH(UNPLACE) }

/* Any place in the order: behind nobody, or behind one that is there and all ahead of that one. */
#define PUT_BEHIND(r) ahead[r] = ahead[r] | BIT(t) * ((set & ~some) >> (r) & 1)
#define IS_LINKED_LAST ((LAST && again) || !((PLACES) & BIT(t)))
inline insert(t) {
#if SLOW_LISTS
  DROP(seen, BIT(t));
#endif
  DROP(ahead, BIT(t)); ahead[t] = 0;
  set = PLACED;
  if
  :: !IS_LINKED_LAST -> some = 0
  :: !IS_LINKED_LAST && set != 0 -> pick(set); some = ahead[here] | BIT(here)
  :: IS_LINKED_LAST -> some = set
  fi;
  ahead[t] = some;
  EACH(PUT_BEHIND);
  there = there | BIT(t)
}

/* The name of `t` is gone. */
#define NOTE_GONE(m) gone[m] = gone[m] | (targets[m] & BIT(t))
inline takeOut(t) {
  assert(REMOVAL || (there & BIT(t))); /* never twice */
  there = there & ~BIT(t); joined = joined & ~BIT(t); woken = woken & ~BIT(t);
  changed = (changed | COLUMN(on, t) * BELT) & ~BIT(t);
  on[t] = 0; DROP(on, BIT(t));
  earlier[t] = 0; DROP(earlier, BIT(t));
  EACH(NOTE_GONE);
  DROP(dead, BIT(t)); DROP(busy, BIT(t)); DROP(after, BIT(t))
}

/* Somebody else removes the ticket of a dead one. */
inline removeDead(t) {
  assert(REMOVAL || !IS_ALIVE(OWNER(t))); /* a living ticket is never removed by another process */
  takeOut(t);
  shared = shared & ~BIT(t);
  forgetPlaces()
}

/* T: sets `some` to those that `t` is blocked on, by what is shown. Nobody: it is its turn. */
inline decide(t) {
  set = shownAhead & ~dead[me] & CONFLICTS(t);
  lastOfSet(first);
  some = 0;
  if
  :: first == NONE
  :: first != NONE && CLAIMS != 3 -> some = BIT(first)
  :: first != NONE && CLAIMS == 3 ->
    set = set & ~BIT(first);
    lastOfSet(second);
    if
    :: second != NONE -> some = BIT(first) | BIT(second)
    :: second == NONE -> some = BIT(first) & ~PROVEN(me) /* a permit is free; but was the other one left by a dead one? */
    fi
  fi;
  on[t] = some & there;
  changed = changed & ~BIT(t) | BIT(t) * (BELT && (some & ~there));
#if SLOW_LISTS
  forgetPlaces()
#endif
}

/*
 * N, D: sets `targets` to those to be notified, of `stood`, who stand behind a ticket that has left. One that had held notifies
 * those that can be reached over a connection that came from them; one that withdraws, all that its claim names.
 */
inline successors(stood, wasShared, quit) {
  set = (stood) & ~dead[me];
  if
  :: quit
  :: else -> set = set & OWNED(INBOUND(me) | BIT(me))
  fi;
  some = 0;
  if
  :: CLAIMS != 3 && !(wasShared) -> /* all that share, up to the first exclusive one; or that one */
    second = set; set = set & ~shared;
    firstOfSet(first);
    if
    :: first == NONE -> some = second
    :: first != NONE && (second & ahead[first]) -> some = second & ahead[first]
    :: else -> some = BIT(first)
    fi
  :: else -> /* the first; of permits, the first two */
    firstOfSet(first);
    if
    :: first == NONE
    :: first != NONE && CLAIMS != 3 -> some = BIT(first)
    :: first != NONE && CLAIMS == 3 ->
      some = BIT(first); set = set & ~BIT(first);
      firstOfSet(first);
      if
      :: first != NONE -> some = some | BIT(first)
      :: else
      fi
    fi
  fi;
  targets[me] = some; gone[me] = 0
}

/* Wakes tickets. Read later, a wake-up would only wake once more. */
#define WAKE(tickets) woken = woken | ((tickets) & there & ~holds)

/* The connection that `m` opened to `q` ends. Whoever lives has yet to notice. */
inline cut(m, q) {
  if
  :: opened[m] & BIT(q) ->
    opened[m] = opened[m] & ~BIT(q);
    ended[m] = ended[m] | BIT(q) * (IS_ALIVE(m) != 0);
    unread[q] = unread[q] & ~BIT(m);
    if
    :: inbound[q] & BIT(m) ->
      inbound[q] = inbound[q] & ~BIT(m);
      lost[q] = lost[q] | BIT(m) * (IS_ALIVE(q) != 0);
      toldLost[q] = toldLost[q] | (toldIn[q] & BIT(m)); toldIn[q] = toldIn[q] & ~BIT(m)
    :: else
    fi
  :: else
  fi
}

/*
 * N, D: notifies one of the targets: over all connections that came from its member; if there is none, and the ticket that has
 * left had not held, over the one that is opened to it, or that is opened now. What is written to one that has died, or over
 * a connection that has ended, is lost, and nobody knows before that end is noticed.
 */
inline notifyOne(quit) {
  pick(targets[me]);
  targets[me] = targets[me] & ~BIT(here);
  first = OWNER(here);
  second = BIT(here) & ~gone[me]; /* whom it wakes, unless the write is lost */
  some = false;                   /* on to the next one? */
  if
  :: first == me -> WAKE(second)
  :: first != me && (INBOUND(me) & BIT(first)) ->
    toldIn[me] = toldIn[me] | (inbound[me] & BIT(first)) * LOSES;
    toldLost[me] = toldLost[me] | (lost[me] & BIT(first)) * LOSES;
    WAKE(second * ((inbound[me] & BIT(first)) != 0))
  :: first != me && !(INBOUND(me) & BIT(first)) && (OUTBOUND(me) & BIT(first)) ->
    toldOut[me] = toldOut[me] | BIT(first) * LOSES;
    WAKE(second * ((opened[me] & BIT(first)) != 0))
  :: first != me && !((INBOUND(me) | OUTBOUND(me)) & BIT(first)) && (quit) ->
    if
    :: second == 0 -> some = true /* ENOENT: gone */
    :: second != 0 && !(listens & BIT(first)) -> dead[me] = dead[me] | BIT(here); some = true /* ECONNREFUSED: dead */
    :: second != 0 && (listens & BIT(first)) -> /* connected: says hello, and notifies */
      toldOut[me] = toldOut[me] | BIT(first) * LOSES;
      if
      :: IS_ALIVE(first) -> opened[me] = opened[me] | BIT(first); unread[first] = unread[first] | BIT(me); WAKE(second)
      :: else -> ended[me] = ended[me] | BIT(first)
      fi
    :: backlogs > 0 && second != 0 && (listens & BIT(first)) -> backlogs--; targets[me] = targets[me] | BIT(here) /* EAGAIN: tries again */
    fi
  :: else
  fi;
  gone[me] = gone[me] & targets[me];
  if
  :: some -> successors(after[me], lastShared & BIT(me), true)
  :: else
  fi
}

/* What is remembered of the last ticket that has left is needed no more. */
#define NOTIFIED \
  if \
  :: HAS_TOLD(me) \
  :: else -> after[me] = 0; lastShared = lastShared & ~BIT(me); lastQuit = lastQuit & ~BIT(me) \
  fi

/* `t` begins to hold. */
inline checkGrant(t) {
  set = holds & CONFLICTS(t) & ~BIT(t);
  assert(EXCLUSION || (CLAIMS == 3 && IS_ONE(set)) || set == 0);
  /* of those who came earlier, and live, none is in the way; of permits, at most one */
  set = earlier[t] & CONFLICTS(t) & ~BIT(t) & OWNED(alive);
  assert(ORDER || (CLAIMS == 3 && IS_ONE(set)) || set == 0)
}

#define CLOSE_TICKET(t) \
  if \
  :: t < TICKETS - (DEAD > 0) && OWNER(t) == here -> \
    on[t] = 0; earlier[t] = 0; DROP(earlier, BIT(t)); leaving = leaving & ~BIT(t); CLOSE_LISTING(t); \
    shared = shared & ~(BIT(t) & ~there) \
  :: else \
  fi
#if SLOW_LISTS
#define CLOSE_LISTING(t) seen[t] = 0
#else
#define CLOSE_LISTING(t) skip
#endif
#define CUT_BOTH(q) cut(here, q); cut(q, here)
/* The kernel closes what the member `here` had open. */
inline close() {
  alive = alive & ~BIT(here); running = running & ~BIT(here); stopped = stopped & ~BIT(here);
  EACH(CUT_BOTH);
  ended[here] = 0; unread[here] = 0; inbound[here] = 0; lost[here] = 0; answered[here] = 0;
  dead[here] = 0; busy[here] = 0; targets[here] = 0; after[here] = 0;
  toldIn[here] = 0; toldLost[here] = 0; toldOut[here] = 0;
  gone[here] = 0; lastShared = lastShared & ~BIT(here); lastQuit = lastQuit & ~BIT(here);
  set = OWNED(BIT(here));
  holds = holds & ~set; tries = tries & ~set; woken = woken & ~set; changed = changed & ~set; joined = joined & ~set;
  EACH(CLOSE_TICKET);
  forgetPlaces()
}

/* What is asked for. */
inline choose(t) {
#if CLAIMS == 2
#ifdef SHARED
  shared = shared & ~BIT(t) | (SHARED) & BIT(t);
#else
  if
  :: shared = shared & ~BIT(t)
  :: shared = shared | BIT(t)
  fi;
#endif
#endif
  if
  :: TRIES != 2
  :: TRIES != 0 -> tries = tries | BIT(t)
  fi
}

/* Whether a waiter looks without having been woken. A look that would show nothing new is left out. */
#define LOOKS_BY_CLOCK(t) \
  ((tries & BIT(t)) || (BUSY && (on[t] & ~REACHED(me))) \
   || (LOOKS && (on[t] & ~OWNED(known | BIT(me)))) || (BELT && (changed & BIT(t))))

/* If processes are all alike, they begin in their order. */
#if KEPT == 2 || KEPT == 4
#define MAY_BEGIN(t) (t >= PROCS + PAIRS - 1 || ((started & BIT(PROCS + PAIRS - 1)) && (t == 0 || (started & BIT(t - 1)))))
#elif KEPT == 3 /* the others do, in their order */
#define MAY_BEGIN(t) (t == 0 || t >= PROCS || (started & BIT(t - 1)))
#elif defined(SHARED) || PLACES != 31
#define MAY_BEGIN(t) true
#else
#define MAY_BEGIN(t) (PAIRS > 0 || t == 0 || t >= PROCS || (started & BIT(t - 1)))
#endif

/* The way out: of one that has held; of one that has not. */
#define LEAVE quit = false; goto unlink
#define WITHDRAW quit = true; goto unlink
#define CALL_OFF aborts--; WITHDRAW
#define LEFT \
  quit = false; known = 0; \
  REST; \
  if \
  :: again -> goto link \
  :: else -> \
    shared = shared & ~BIT(t); tries = tries & ~BIT(t); rounds--; \
    if \
    :: rounds > 0 -> goto link \
    :: else -> goto finish \
    fi \
  fi

#if LOOKS
#define REMEMBER_ANSWERS known = answered[me]
#else
#define REMEMBER_ANSWERS skip
#endif

/* After a decision: hold; give up; connect; or sleep. */
#define LIVE !(some & ~PROVEN(me))
#define JOINING (some & ~joined & ~OWNED(BIT(me))) /* younger than 10 ms: joining takes no longer here */
#define GO_ON \
  if \
  :: some == 0 -> goto grant \
  :: some != 0 && (tries & BIT(t)) && LIVE && !JOINING -> WITHDRAW /* Y: null */ \
  :: some != 0 /* a try: the one ahead is too young, or is not known to live */ \
  fi; \
  if \
  :: some & ~there & ~REACHED(me) -> WAKE(BIT(t)) /* gone since it was listed: list again */ \
  :: else \
  fi; \
  todo = on[t] & ~REACHED(me); \
  REST; \
  if \
  :: todo != 0 -> WAKE(BIT(t)); goto connect /* and list again */ \
  :: else -> goto list \
  fi

/*
 * A process that is done is not killed any more: what it was told is not repeated. One that has nothing to repeat either
 * matters no more but to those who wait for its answer. This keeps the states few: its ends would only wake others.
 */
#define FORGET(m) \
  if \
  :: (finished & BIT(m)) && !(HAS_TOLD(m)) -> \
    after[m] = 0; lastShared = lastShared & ~BIT(m); lastQuit = lastQuit & ~BIT(m); \
    DROP(unread, BIT(m)); DROP(inbound, BIT(m)); \
    opened[m] = 0; ended[m] = 0; answered[m] = 0; inbound[m] = 0; lost[m] = 0; dead[m] = 0; busy[m] = 0; \
    DROP(answered, BIT(m)); \
    set = unread[m]; \
    EACH_DROP_OPENED(m) \
  :: else \
  fi
#define DROP_OPENED(q, m) opened[q] = opened[q] & ~(BIT(m) * !(set >> (q) & 1))
#if SIZE == 2
#define EACH_DROP_OPENED(m) DROP_OPENED(0, m); DROP_OPENED(1, m)
#elif SIZE == 3
#define EACH_DROP_OPENED(m) DROP_OPENED(0, m); DROP_OPENED(1, m); DROP_OPENED(2, m)
#elif SIZE == 4
#define EACH_DROP_OPENED(m) DROP_OPENED(0, m); DROP_OPENED(1, m); DROP_OPENED(2, m); DROP_OPENED(3, m)
#else
#define EACH_DROP_OPENED(m) DROP_OPENED(0, m); DROP_OPENED(1, m); DROP_OPENED(2, m); DROP_OPENED(3, m); DROP_OPENED(4, m)
#endif
#define FORGET_TOLD_OUT(m) toldOut[m] = toldOut[m] & (ended[m] | ~finished)
inline forgetFinished() {
  DROP(toldIn, finished); /* over a connection that has ended, it may never have heard */
  EACH(FORGET_TOLD_OUT);
  EACH(FORGET)
}

proctype Request(byte me; byte t) {
  byte rounds = ROUNDS;
  byte todo = 0;      /* whom it is about to connect to */
  byte known = 0;     /* who had answered when its last listing was opened */
  bool again = false; /* it withdraws only to join again */
  bool quit = false;  /* it leaves without having held */

  if
  :: holds & BIT(t) -> goto holding /* from the start */
  :: else
  fi;

link: /* J: link */
  atomic {
    AWAIT(MAY_BEGIN(t));
    if
    :: !again -> choose(t)
    :: else
    fi;
    started = started | BIT(t);
    insert(t);
    again = false
  }
#if SLOW_LISTS
join_open:
  atomic { STEP; OPEN_LISTING(t); earlier[t] = earlier[t] | joined }
#endif
join_list: /* J: list; T: whose turn? */
  atomic {
    STEP;
    if
    :: aborts > 0 -> CALL_OFF
    :: true
    fi;
#if !SLOW_LISTS
    woken = woken & ~BIT(t);
#endif
    REMEMBER_ANSWERS;
    readListing(t);
    if
    :: shown & ~ahead[t] & ~BIT(t) -> again = true; WITHDRAW /* anything behind, dead or alive: join again */
    :: else
    fi;
#if !SLOW_LISTS
    earlier[t] = earlier[t] | joined;
#endif
    joined = joined | BIT(t);
    decide(t);
    GO_ON
  }

connect: /* W: connect, to one after the other; L: who refuses is dead */
  atomic {
    AWAIT(true);
    if
    :: aborts > 0 -> todo = 0; CALL_OFF
    :: true
    fi;
    pick(todo);
    todo = todo & ~BIT(here); busy[me] = busy[me] & ~BIT(here); first = OWNER(here);
    if
    :: !(on[t] & BIT(here)) /* ENOENT: gone */
    :: (on[t] & BIT(here)) && !(listens & BIT(first)) -> /* ECONNREFUSED: dead */
      assert(DEATH || !IS_ALIVE(first)); /* no living one is taken for dead */
      dead[me] = dead[me] | BIT(here)
    :: (on[t] & BIT(here)) && (listens & BIT(first)) -> /* connected: says hello */
      if
      :: OUTBOUND(me) & BIT(first) /* by another request of this process, meanwhile */
      :: else ->
        if
        :: IS_ALIVE(first) -> opened[me] = opened[me] | BIT(first); unread[first] = unread[first] | BIT(me)
        :: else -> ended[me] = ended[me] | BIT(first)
        fi
      fi
    :: (on[t] & BIT(here)) && (listens & BIT(first)) && backlogs > 0 -> backlogs--; busy[me] = busy[me] | BIT(here) /* EAGAIN */
    fi;
    REST;
    if
    :: todo != 0 -> goto connect
    :: else
    fi
  }
#if CLAIMS == 2 && (CRASHES || DEAD)
sweep: /* dead ones that shared broke nothing: whoever has found them removes them */
  atomic {
    AWAIT(true);
    if
    :: dead[me] & shared -> pick(dead[me] & shared); removeDead(here); REST; goto sweep
    :: else -> REST
    fi
  }
#endif
list: /* W: sleep; T: list, decide. A wake-up that comes before the sleep ends it at once */
  atomic {
    AWAIT((woken & BIT(t)) || LOOKS_BY_CLOCK(t) || aborts > 0);
    if
    :: (woken & BIT(t)) || LOOKS_BY_CLOCK(t)
    :: aborts > 0 -> CALL_OFF
    fi;
    woken = woken & ~BIT(t);
    REMEMBER_ANSWERS;
#if SLOW_LISTS
    OPEN_LISTING(t)
  }
list_read:
  atomic {
    STEP;
#endif
    readListing(t);
    decide(t);
    GO_ON
  }

grant: /* its turn has come. An exclusive one removes the dead ahead */
  atomic {
    STEP;
    if
    :: aborts > 0 -> CALL_OFF
    :: true
    fi;
    known = 0;
    holds = holds | BIT(t); woken = woken & ~BIT(t); granted = granted || TRIES;
    checkGrant(t);
    REST
  }
#if CRASHES || DEAD
bury:
  atomic {
    AWAIT(true);
    if
    :: !IS_SHARED(t) && (dead[me] & ahead[t] & ~shared) -> pick(dead[me] & ahead[t] & ~shared); removeDead(here); REST; goto bury
    :: else -> REST
    fi
  }
#endif
holding:
  atomic {
    AWAIT(true);
    if
    :: LEAVE
    :: STAY -> REST; goto finish
    :: STAY -> REST; stopped = stopped | BIT(me); goto finish
    fi
  }

unlink: /* N, D: unlink. It is out from here on */
  atomic { STEP; holds = holds & ~BIT(t); takeOut(t); leaving = leaving | BIT(t) }
#if SLOW_LISTS
leave_open:
  atomic { STEP; OPEN_LISTING(t) }
#endif
leave_list: /* N, D: list, and choose whom to notify */
  atomic {
    STEP;
    readListing(t);
    second = shown & there & ~ahead[t] & ~BIT(t);
    some = IS_SHARED(t) != 0;
    leaving = leaving & ~BIT(t); forgetPlaces();
    set = second & ~dead[me] & (ALL * quit | OWNED(INBOUND(me) | BIT(me)));
    if
    :: set == 0 -> LEFT
    :: else
    fi;
    after[me] = second;
    lastShared = lastShared & ~BIT(me) | BIT(me) * some;
    lastQuit = lastQuit & ~BIT(me) | BIT(me) * quit;
    successors(second, lastShared & BIT(me), quit)
  }
leave_notify: /* N, D: one write after the other */
  atomic {
    STEP;
    notifyOne(quit);
    if
    :: targets[me] == 0 -> NOTIFIED; LEFT
    :: else -> goto leave_notify
    fi
  }

killed: /* it begins again, as a new member with a new ticket */
  atomic {
    todo = 0; known = 0; again = false; quit = false;
    if
    :: REBIRTH && nextMember < MEMBERS && !IS_SECOND(t) ->
      me = nextMember; nextMember++; t = me + PAIRS;
      alive = alive | BIT(me); listens = listens | BIT(me);
      rounds = ROUNDS;
      goto link
    :: else -> goto over
    fi
  }

finish: /* it stays, idle */
  atomic {
    if
    :: stopped & BIT(me) -> goto over
    :: else
    fi;
    AWAIT(true);
    rounds = 0;
#if PAIRS == 0
    finished = finished | BIT(me);
    forgetFinished();
#endif
    REST
  }
over:
  skip
}

/* The event loop of a member, while no request of it runs. */
#define LOOP_STEP \
  !(stopped & BIT(me)); \
  if \
  :: !IS_ALIVE(me) -> goto events \
  :: else \
  fi
proctype Loop(byte me) {
events: /* a hello is read, and answered; or the end of a connection is noticed */
  atomic {
    IS_ALIVE(me) && !((stopped | running) & BIT(me)) && (unread[me] | ended[me] | lost[me]);
    set = 0;
    if
    :: unread[me] ->
      pick(unread[me]);
      unread[me] = unread[me] & ~BIT(here); inbound[me] = inbound[me] | BIT(here);
      answered[here] = answered[here] | BIT(me) * LOOKS; WAKE(OWNED(BIT(here))); /* the answer */
#if PAIRS == 0
      if
      :: finished & BIT(me) -> forgetFinished()
      :: else
      fi;
#endif
      goto events
    :: ended[me] ->
      pick(ended[me]);
      set = toldOut[me] & BIT(here);
      ended[me] = ended[me] & ~BIT(here); answered[me] = answered[me] & ~BIT(here); toldOut[me] = toldOut[me] & ~BIT(here)
    :: lost[me] ->
      pick(lost[me]);
      set = toldLost[me] & BIT(here);
      lost[me] = lost[me] & ~BIT(here); toldLost[me] = toldLost[me] & ~BIT(here)
    fi;
    WAKE(OWNED(BIT(me)));
    if
    :: set -> running = running | BIT(me) /* P: what was notified over it may never have been heard */
    :: else -> goto events
    fi
  }
repeat: /* P: list, and notify the successors of the last ticket that has left again */
  atomic {
    LOOP_STEP;
    successors(there & after[me], lastShared & BIT(me), lastQuit & BIT(me));
    if
    :: targets[me] == 0 -> NOTIFIED; REST; goto events
    :: else
    fi
  }
repeat_notify:
  atomic {
    LOOP_STEP;
    notifyOne(lastQuit & BIT(me));
    if
    :: targets[me] == 0 -> NOTIFIED; REST; goto events
    :: else -> goto repeat_notify
    fi
  }
}

#if CRASHES
/* kill -9 of one that is not done. Its connections end; and a moment later its socket is closed. */
#if PAIRS
#define MORTAL alive
#else
#define MORTAL (alive & started & ~finished)
#endif
proctype Reaper() {
  do
  :: atomic { crashes > 0 && MORTAL -> crashes--; pick(MORTAL); close() }
  :: atomic { listens & ~alive -> listens = listens & alive }
  od
}
#endif

#if (CRASHES || DEAD) && CLAIMS != 3
/* Dead exclusive tickets behind one that has joined never held: its owner may remove them, at any time. */
#define SWEEPABLE_BY(t) (there & ~ahead[t] & ~BIT(t) & ~OWNED(listens) & ~shared)
#define SWEEPS(t) ((joined & OWNED(alive & ~stopped & ~running) & BIT(t)) && SWEEPABLE_BY(t))
#define SWEEPER(t) :: atomic { SWEEPS(t) -> pick(SWEEPABLE_BY(t)); removeDead(here) }
proctype Sweeper() {
  do
  SWEEPER(0)
  SWEEPER(1)
#if SIZE > 2
  SWEEPER(2)
#endif
#if SIZE > 3
  SWEEPER(3)
#endif
#if SIZE > 4
  SWEEPER(4)
#endif
  od
}
#endif

#if ENDS
/* A connection ends, although both processes live. */
proctype Ender() {
  byte from;
  do
  :: atomic { ends > 0 && ANY(opened) -> pick(alive); from = here; opened[from] -> pick(opened[from]); cut(from, here); ends--; from = 0 }
  od
}
#endif

#if STOPS
/* SIGSTOP, and nobody ever continues it. */
proctype Stopper() {
  byte stops = STOPS;
  do
  :: atomic { stops > 0 && (alive & ~stopped) -> stops--; pick(alive & ~stopped); stopped = stopped | BIT(here) }
  od
}
#endif

/* When nothing more can happen. */
#define IN_THE_WAY(t) (there & ahead[t] & OWNED(alive) & CONFLICTS(t))
#define COULD_HOLD(t) \
  ((there & BIT(t)) && !(holds & BIT(t)) && (OWNED(alive & ~stopped) & BIT(t)) \
   && (CLAIMS == 3 -> IS_ONE(IN_THE_WAY(t)) : IN_THE_WAY(t) == 0))
proctype Quiet() {
  atomic {
    timeout;
    assert(SOUND || !(running & alive & ~stopped)); /* of the model: nobody is stuck in the middle of a run */
    here = 0;
    do
    :: here < TICKETS -> assert(AWAKE || !COULD_HOLD(here)); here++
    :: else -> break
    od;
    assert(TRY || granted || TRIES != 2 || CRASHES || ABORTS || STOPS) /* of those who try a free lock, one gets it */
  }
}

/* Connections of earlier holds: any. */
inline keep(a, b) {
  if
  :: KEPT == 1
  :: KEPT == 1 || (b == PROCS - 1 && (KEPT < 4 || a == 0)) -> opened[a] = opened[a] | BIT(b); answered[a] = answered[a] | BIT(b) * LOOKS; inbound[b] = inbound[b] | BIT(a)
  :: KEPT > 1 && (b != PROCS - 1 || (KEPT == 4 && a != 0))
  fi
}

init {
  atomic {
#ifdef ONLY
    ONLY = 0;
#endif
    alive = BIT(PROCS) - 1; listens = alive;
#if DEAD
    there = BIT(TICKETS - 1);
    if
    :: DEAD == 2 -> there = there | 1; ahead[TICKETS - 1] = 1; started = 1; joined = 1; holds = 1
    :: else
    fi;
#if CLAIMS == 2
#ifdef SHARED
    shared = there & (SHARED);
#else
    if
    :: true
    :: shared = BIT(TICKETS - 1)
    fi;
#endif
#endif
#endif
#if KEPT
    keep(0, 1); keep(1, 0);
#if PROCS > 2
    keep(0, 2); keep(2, 0); keep(1, 2); keep(2, 1);
#endif
#if PROCS > 3
    keep(0, 3); keep(3, 0); keep(1, 3); keep(3, 1); keep(2, 3); keep(3, 2);
#endif
#endif
    here = 0;
    do
    :: here < PROCS + PAIRS -> run Request(OWNER(here), here); here++
    :: else -> break
    od;
    here = 0;
    do
    :: here < MEMBERS -> run Loop(here); here++
    :: else -> break
    od;
#if CRASHES
    run Reaper();
#endif
#if (CRASHES || DEAD) && CLAIMS != 3
    run Sweeper();
#endif
#if ENDS
    run Ender();
#endif
#if STOPS
    run Stopper();
#endif
    run Quiet()
  }
}
