#include "port.h"

int saga_port_receive(saga_port *port, const saga_frame *frames, size_t count)
{
	return port->receive(port->host, frames, count);
}

void saga_port_writable(saga_port *port)
{
	port->writable(port->host);
}

void saga_port_sent(saga_port *port, const uint64_t *tokens, size_t count)
{
	port->sent(port->host, tokens, count);
}

void saga_port_wants_json(saga_port *port)
{
	port->json = true;
}

void saga_port_state(saga_port *port, bool up, const char *text)
{
	port->state(port->host, up, text);
}

void saga_port_closed(saga_port *port)
{
	port->closed(port->host);
}

struct uv_loop_s *saga_port_loop(saga_port *port)
{
	return port->loop;
}
