/** The numbers that one process assigns to its tickets in one queue: each is behind all that it has seen there. */
import { SlocketError } from '../../errors.ts'
import { clockNumber, nextNumber } from './platform/kernel.ts'
import { NUMBER_DIGITS, NUMBERS_END, ticketId } from './ticket-name.ts'

/** Where to look for used numbers. */
interface NumberedQueue {
  readonly directory: { readonly path: string }
  readonly view: { last(): { readonly name: string } | undefined }
  /** Whether an own ticket has this id. */
  isUsed(id: string): boolean
}

export class TicketNumbers {
  /** The highest number that was seen or assigned. */
  #highest = '0'.repeat(NUMBER_DIGITS)

  /** Makes the next ticket get a number behind this one. */
  see(number: string): void {
    if (number > this.#highest) this.#highest = number
  }

  /**
   * Assigns a number to a ticket of `member`.
   *
   * @throws ERR_SLOCKET_NOT_A_LOCK if a ticket has the last possible number.
   */
  next(member: string, queue: NumberedQueue): string {
    const now = clockNumber()
    let number = now > this.#highest ? now : nextNumber(this.#highest)
    while (queue.isUsed(ticketId(number, member))) number = nextNumber(number)
    if (number < NUMBERS_END) return (this.#highest = number)
    // Once that ticket is gone, there are numbers again.
    this.#highest = now
    throw new SlocketError(
      'ERR_SLOCKET_NOT_A_LOCK',
      `there is no place in the lock '${queue.directory.path}' behind the ticket '${queue.view.last()?.name}', which has the last number that there is and was not made ` +
        'by slocket; remove it',
    )
  }
}
