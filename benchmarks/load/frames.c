/* What is spoken with the server: how a client logs in, and what is around its messages.

   A client's frames are masked, here with zeros: that is a mask too, and leaves the text as it is. */
#include "load.h"

#include <stdio.h>
#include <string.h>

enum wire wire = PLAIN;

void speak(const char *name)
{
    if (!strcmp(name, "plain")) wire = PLAIN;
    else if (!strcmp(name, "json")) wire = JSON;
    else if (!strcmp(name, "web")) wire = WEB;
    else fail("there is no wire %s", name);
}

/* Returns where to write a message of this many bytes for the next push, with its line end. */
char *message_room(struct client *c, size_t length)
{
    if (wire != WEB)
        return room(c, length);
    bool is_long = length > 125;
    unsigned char *at = (unsigned char *)room(c, (is_long ? 8 : 6) + length);
    at[0] = 0x81;
    at[1] = 0x80 | (is_long ? 126 : length);
    if (is_long) {
        at[2] = length >> 8;
        at[3] = length & 255;
    }
    memset(at + (is_long ? 4 : 2), 0, 4);
    return (char *)at + (is_long ? 8 : 6);
}

/* Ask for a WebSocket where one is spoken, and log in. */
void greet(struct client *c)
{
    char text[256];
    int length;
    if (wire == WEB) {
        length = sprintf(text, "GET /ws HTTP/1.1\r\nHost: localhost:%d\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", server_port());
        memcpy(room(c, length), text, length);
    }
    if (wire == PLAIN)
        length = sprintf(text, "m%d\n", c->number);
    else
        length = sprintf(text, "{\"type\":\"login\",\"name\":\"m%d\"}\n", c->number);
    memcpy(message_room(c, length), text, length);
}

/* Skip the answer to the request. Returns whether all of it has come. */
static bool upgrade(struct client *c, char **data, size_t *length)
{
    static const char end[] = "\r\n\r\n";
    while (*length && c->header_length < 4) {
        c->header_length = **data == end[c->header_length] ? c->header_length + 1 : **data == '\r';
        ++*data;
        --*length;
    }
    if (c->header_length < 4)
        return false;
    c->header_length = 0;
    return c->is_upgraded = true;
}

/* Returns how many of the bytes at `data` are lines, in a row, from where `data` then points: what
   is around them is skipped. 0: there are no more. */
size_t next_piece(struct client *c, char **data, size_t *length)
{
    if (wire != WEB)
        return *length;
    if (!c->is_upgraded && !upgrade(c, data, length))
        return 0;
    while (!c->frame_left) {
        if (!*length)
            return 0;
        c->header[c->header_length++] = **data;
        ++*data;
        --*length;
        int size = c->header_length > 1 ? c->header[1] & 127 : 0;
        int whole = size == 127 ? 10 : size == 126 ? 4 : 2;
        if (c->header_length < whole)
            continue;
        if (c->header[0] != 0x81)
            fail("member %d: a frame that is no text: %02x", c->number, c->header[0]);
        c->frame_left = whole == 2 ? size : 0;
        for (int i = 2; i < whole; i++)
            c->frame_left = c->frame_left << 8 | c->header[i];
        c->header_length = 0;
    }
    size_t piece = c->frame_left < *length ? c->frame_left : *length;
    c->frame_left -= piece;
    return piece;
}
