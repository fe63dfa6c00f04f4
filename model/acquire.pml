/*
 * The local engine as a model for Spin: the directory and the sockets as shared memory; each step of
 * docs/algorithm.md that another process can come between is an atomic step of its own. README.md beside this file says
 * which label is which function, what was searched, and what is left out.
 *
 * Checked in every run: never more holders than the claims allow (the asserts at `grant`); and, as "invalid end state",
 * that nobody sleeps for ever while it could hold. The look once a second is left out, to show that it is only a belt.
 *
 * -DCLAIMS=1 exclusive, 2 exclusive and shared, 3 permits of two.   -DCRASHES=n   -DREBIRTH=0 the killed stay away
 * -DROUNDS=n how often each process holds                          -DPROCS=n
 *
 * A process is a member; one that is killed begins again as a new member. Tickets are known by their number, which is
 * never used twice; a member has one at a time.
 */
#ifndef PROCS
#define PROCS 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef CLAIMS
#define CLAIMS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef REBIRTH
#define REBIRTH 1
#endif
#define MEMBERS (PROCS + REBIRTH * CRASHES)

#define X 1 /* exclusive */
#define S 2 /* shared */
#define P 3 /* one of two permits */
#define NOBODY 255

#define BIT(m) (1 << (m))

/* The directory: the ticket of each member. Number 0: none. */
byte number[MEMBERS];
byte claim[MEMBERS];
bool marked[MEMBERS];

/* The kernel. */
bool alive[MEMBERS];
byte conn[MEMBERS];  /* mask: to whom this member has opened a connection that stands */
byte known[MEMBERS]; /* mask: whose connections this member has accepted and read the hello of */

/* In the memory of each member. */
bool woken[MEMBERS];
byte dead[MEMBERS];  /* mask: whom it has found dead */
byte told[MEMBERS];  /* mask: whom it has told on account of its last departed ticket */
byte toldNumber[MEMBERS];
byte toldClaim[MEMBERS];
bool telling[MEMBERS];
bool redo[MEMBERS];  /* a connection that was written to has ended */

bool holds[MEMBERS];
byte taken[MEMBERS]; /* a number read from the clock, not linked yet */
byte clock = 1;
byte crashes = CRASHES;
byte nextMember = PROCS;

/* Whether `a` has proof that `b` lives: a connection that it opened to b's ticket. */
#define PROVEN(a, b) (conn[a] & BIT(b))
/* Whether `a` can write to `b`, by a connection that either opened. */
#define REACHES(a, b) ((conn[a] & BIT(b)) || ((conn[b] & BIT(a)) && (known[a] & BIT(b))))
/* Whether `b` knows of `a`, so that a may wait for b to tell. */
#define KNOWN_TO(a, b) (PROVEN(a, b) && (known[b] & BIT(a)))

#define UNKNOWN_TO_SOME(me, on) \
  (((on & BIT(0)) && !KNOWN_TO(me, 0)) || ((on & BIT(1)) && !KNOWN_TO(me, 1)) || ((on & BIT(2)) && !KNOWN_TO(me, 2)) \
   || (MEMBERS > 3 && (on & BIT(3)) && !KNOWN_TO(me, (3 % MEMBERS))) || (MEMBERS > 4 && (on & BIT(4)) && !KNOWN_TO(me, (4 % MEMBERS))))


/* Anything behind, dead or alive: withdraw, and join again. */
#define JOIN_CHECK \
  i = 0; \
  do \
  :: i < MEMBERS -> \
    if \
    :: i != me && number[i] > number[me] -> again = true; i = 0; on = 0; goto release_unlink \
    :: else \
    fi; \
    i++ \
  :: else -> break \
  od; \
  i = 0


#define unread(me, j) ((conn[j] & BIT(me)) && !(known[me] & BIT(j)))
#define hasUnread(me) (unread(me, 0) || unread(me, 1) || unread(me, 2) || (MEMBERS > 3 && unread(me, (3 % MEMBERS))) || (MEMBERS > 4 && unread(me, (4 % MEMBERS))))


#define MARKED(m) (marked[m])
#define CAN_TELL(a, b) (alive[b] && REACHES(a, b))

/* T: sets `on` to a mask of the members whose tickets are waited for; 0 when it is my turn. `missing` is not modelled. */
inline decide(me, on) {
  d_step {
    on = 0; best = 0; bestMember = NOBODY; second = 0; secondMember = NOBODY;
    i = 0;
    do
    :: i < MEMBERS ->
      if
      :: number[i] != 0 && i != me && number[i] < number[me] && !(dead[me] & BIT(i)) && !(claim[me] == S && claim[i] == S) ->
        if
        :: number[i] > best -> second = best; secondMember = bestMember; best = number[i]; bestMember = i
        :: else ->
          if
          :: number[i] > second -> second = number[i]; secondMember = i
          :: else
          fi
        fi
      :: else
      fi;
      i++
    :: else -> break
    od;
    if
    :: claim[me] == P ->
      if
      :: bestMember != NOBODY && secondMember != NOBODY -> on = BIT(bestMember) | BIT(secondMember)
      :: else
      fi
    :: else ->
      if
      :: bestMember != NOBODY -> on = BIT(bestMember)
      :: else
      fi
    fi;
    i = 0; best = 0; bestMember = 0; second = 0; secondMember = 0
  }
}

/* R: the members to be told that the ticket (n, c) has left, from a listing made now. */
inline successors(me, n, c, targets) {
  d_step {
    targets = 0; last = n; count = 0;
    do
    ::
      /* the nearest marked one behind `last` */
      i = 0; best = 255; bestMember = NOBODY;
      do
      :: i < MEMBERS ->
        if
        :: number[i] > last && number[i] < best && i != me && MARKED(i) -> best = number[i]; bestMember = i
        :: else
        fi;
        i++
      :: else -> break
      od;
      if
      :: bestMember == NOBODY -> break
      :: else ->
        last = best;
        if
        :: count > 0 && claim[bestMember] == X -> break
        :: else ->
          if
          :: CAN_TELL(me, bestMember) ->
            targets = targets | BIT(bestMember); count++;
            if
            :: claim[bestMember] == X || c == S || (c == P && count == 2) -> break
            :: else
            fi
          :: else
          fi
        fi
      fi
    od;
    i = 0; best = 0; bestMember = 0; last = 0; count = 0
  }
}

/* Only the order of numbers counts: closes the gaps, so that the states are few. */
inline closeGaps() {
  d_step {
    best = 1;
    do
    :: best < clock ->
      i = 0; count = 0;
      do
      :: i < MEMBERS ->
        if
        :: number[i] == best || taken[i] == best || toldNumber[i] == best -> count = 1
        :: else
        fi;
        i++
      :: else -> break
      od;
      if
      :: count == 1 -> best++
      :: else ->
        i = 0;
        do
        :: i < MEMBERS ->
          if :: number[i] > best -> number[i]-- :: else fi;
          if :: taken[i] > best -> taken[i]-- :: else fi;
          if :: toldNumber[i] > best -> toldNumber[i]-- :: else fi;
          i++
        :: else -> break
        od;
        clock--
      fi
    :: else -> break
    od;
    i = 0; best = 0; count = 0
  }
}

/* What was told on account of a departed ticket matters no longer once all who were told have looked, or are gone. */
inline forgetTold(m) {
  if
  :: told[m] == 0 && !redo[m] && !telling[m] -> toldNumber[m] = 0; toldClaim[m] = 0
  :: else
  fi
}

/* `me` has listed: whoever told it to need not tell again. */
inline hasLooked(me) {
  i = 0;
  do
  :: i < MEMBERS ->
    told[i] = told[i] & ~BIT(me);
    forgetTold(i);
    if
    :: number[i] == 0 -> dead[me] = dead[me] & ~BIT(i)
    :: else
    fi;
    i++
  :: else -> break
  od;
  i = 0
}

/* The kernel ends all connections of a member, and tells the other ends. */
inline disconnectAll(m) {
  i = 0;
  do
  :: i < MEMBERS ->
    if
    :: i != m && alive[i] && ((conn[m] & BIT(i)) || (conn[i] & BIT(m))) ->
      woken[i] = true;
      if
      :: told[i] & BIT(m) -> redo[i] = true
      :: else
      fi
    :: else
    fi;
    conn[i] = conn[i] & ~BIT(m);
    known[i] = known[i] & ~BIT(m);
    told[i] = told[i] & ~BIT(m);
    forgetTold(i);
    i++
  :: else -> break
  od;
  conn[m] = 0; known[m] = 0; told[m] = 0; redo[m] = false;
  i = 0
}

/* Begins every step: a process that was killed does nothing more. */
#define STEP if :: !alive[me] -> goto reborn :: else fi

proctype Process(byte first) {
  byte me = first;
  byte on = 0, targets = 0, chosen = 0, n = 0, rounds = ROUNDS;
  byte i = 0, best = 0, bestMember = 0, second = 0, secondMember = 0, last = 0, count = 0;
  bool again = false;

join_number: /* J: the clock is read */
  atomic {
    STEP;
    if
    :: chosen == 0 && CLAIMS == 1 -> chosen = X
    :: chosen == 0 && CLAIMS == 2 -> chosen = X
    :: chosen == 0 && CLAIMS == 2 -> chosen = S
    :: chosen == 0 && CLAIMS == 3 -> chosen = P
    :: else
    fi;
    taken[me] = clock; clock++
  }
join_link: /* J: link */
  atomic { STEP; number[me] = taken[me]; taken[me] = 0; claim[me] = chosen; marked[me] = false }
join_list: /* J: list; anything behind? T: whose turn? */
  atomic {
    STEP;
    JOIN_CHECK;
    decide(me, on);
    if
    :: on == 0 -> goto grant
    :: else
    fi
  }

connect: /* W: to those in `on`; L: who refuses is dead */
  atomic {
    STEP;
    n = 0; i = 0;
    do
    :: i < MEMBERS ->
      if
      :: (on & BIT(i)) && !PROVEN(me, i) ->
        n = 1;
        if
        :: number[i] == 0 /* gone: ENOENT */
        :: number[i] != 0 && !alive[i] -> dead[me] = dead[me] | BIT(i) /* ECONNREFUSED */
        :: number[i] != 0 && alive[i] -> conn[me] = conn[me] | BIT(i)
        fi
      :: else
      fi;
      i++
    :: else -> break
    od;
    i = 0;
    if
    :: n == 0 && MARKED(me) && !woken[me] -> goto sleep
    :: n == 0 && MARKED(me) && woken[me] -> goto list
    :: else -> n = 0
    fi
  }
mark: /* W: the own ticket is marked */
  atomic { STEP; marked[me] = true }
list: /* W, T: list again, decide again */
  atomic {
    STEP;
    woken[me] = false;
    hasLooked(me);
    closeGaps();
    decide(me, on);
    if
    :: on == 0 -> goto grant
    :: else -> goto connect
    fi
  }
sleep: /* W: until woken; or until it looks by itself, while somebody waited for does not know of it */
  atomic {
    if
    :: !alive[me] -> goto reborn
    :: alive[me] && woken[me] -> goto list
    :: alive[me] && UNKNOWN_TO_SOME(me, on) -> goto list
    fi
  }

grant:
  atomic {
    STEP;
    holds[me] = true; on = 0;
    i = 0; count = 0;
    do
    :: i < MEMBERS ->
      if
      :: i != me && holds[i] && alive[i] ->
        count++;
        assert(!(claim[me] == X || claim[i] == X))
      :: else
      fi;
      /* bury: the dead that were found ahead are removed, but not by one who shares */
      if
      :: claim[me] != S && (dead[me] & BIT(i)) && number[i] != 0 && !alive[i] ->
        number[i] = 0; claim[i] = 0; marked[i] = false
      :: else
      fi;
      i++
    :: else -> break
    od;
    assert(claim[me] != P || count < 2);
    i = 0; count = 0
  }

release_unlink: /* R: unlink */
  atomic {
    STEP;
    toldNumber[me] = number[me]; toldClaim[me] = claim[me]; told[me] = 0; redo[me] = false;
    holds[me] = false; telling[me] = true;
    number[me] = 0; claim[me] = 0; marked[me] = false; woken[me] = false; dead[me] = 0; n = 0
  }
release_list: /* R: list the successors */
  atomic { STEP; successors(me, toldNumber[me], toldClaim[me], targets) }
release_tell: /* R: one write after the other */
  do
  :: atomic {
      targets != 0 ->
      STEP;
      i = 0;
      do
      :: !(targets & BIT(i)) -> i++
      :: else -> break
      od;
      targets = targets & ~BIT(i);
      if
      :: alive[i] && REACHES(me, i) -> woken[i] = true; told[me] = told[me] | BIT(i)
      :: else -> redo[me] = true /* its end was seen since the listing */
      fi;
      i = 0
    }
  :: atomic {
      targets == 0 ->
      STEP;
      telling[me] = false; forgetTold(me); closeGaps();
      if
      :: again -> again = false; goto join_number /* withdrawn on joining: join again */
      :: else -> rounds--; chosen = 0
      fi;
      if
      :: rounds > 0 -> goto join_number
      :: else -> goto finish
      fi
    }
  od;

reborn: /* as a new member */
  atomic {
    if :: !REBIRTH -> goto finish :: else fi;
    me = nextMember; nextMember++;
    alive[me] = true;
    again = false; targets = 0; on = 0; n = 0; chosen = 0; i = 0; count = 0;
    goto join_number
  }

finish: /* stays, idle: harder for the others than leaving, which ends its connections and so wakes them */
  skip
}

/* kill -9 */
proctype Reaper() {
  byte m = 0, i = 0, best = 0, count = 0;
end_reaper:
  do
  :: atomic {
      crashes > 0 ->
      if
      :: m = 0 :: m = 1 :: m = 2
      fi;
      if
      :: alive[m] && (number[m] != 0 || taken[m] != 0 || telling[m]) ->
        crashes--;
        alive[m] = false; holds[m] = false; woken[m] = false; telling[m] = false; dead[m] = 0; taken[m] = 0;
        disconnectAll(m);
        toldNumber[m] = 0; toldClaim[m] = 0;
        closeGaps()
      :: else
      fi;
      m = 0
    }
  od
}

/* The event loop of each member: a hello is read and answered; the end of a connection is noticed. */
proctype Loop(byte me) {
  byte targets = 0, i = 0, j = 0, best = 0, bestMember = 0, last = 0, count = 0;
end_loop:
  do
  :: atomic {
      alive[me] && hasUnread(me) ->
      j = 0;
      do
      :: !((conn[j] & BIT(me)) && !(known[me] & BIT(j))) -> j++
      :: else -> break
      od;
      known[me] = known[me] | BIT(j);
      woken[me] = true; /* it can be told from now on, and what waits here looks again */
      woken[j] = true;  /* the answer */
      j = 0
    }
  :: atomic { alive[me] && redo[me] -> redo[me] = false; telling[me] = true; successors(me, toldNumber[me], toldClaim[me], targets) };
    do
    :: targets != 0 ->
      atomic {
        j = 0;
        do
        :: !(targets & BIT(j)) -> j++
        :: else -> break
        od;
        targets = targets & ~BIT(j);
        if
        :: alive[me] && alive[j] && REACHES(me, j) -> woken[j] = true; told[me] = told[me] | BIT(j)
        :: alive[me] && !(alive[j] && REACHES(me, j)) -> redo[me] = true
        :: !alive[me] -> targets = 0
        fi;
        j = 0
      }
    :: else -> break
    od;
    atomic { telling[me] = false; forgetTold(me); closeGaps() }
  od
}

init {
  byte k = 0;
  atomic {
    do
    :: k < PROCS -> alive[k] = true; run Process(k); k++
    :: else -> break
    od;
    if :: CRASHES > 0 -> run Reaper() :: else fi;
    k = 0;
    do
    :: k < MEMBERS -> run Loop(k); k++
    :: else -> break
    od
  }
}
