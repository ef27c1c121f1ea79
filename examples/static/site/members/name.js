// A page without a server side asks the gate itself who is looking at it.
const answer = await fetch('/_cordgate/me');
if (answer.ok) document.getElementById('name').textContent = (await answer.json()).display_name;
